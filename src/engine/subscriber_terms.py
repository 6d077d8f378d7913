"""On which terms a subscriber is served: what it wants, where it runs, and what happens when it is slow."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .errors import SubscriptionError

Policy = Literal["lossless", "drop_oldest", "conflate", "disconnect", "block"]
Post = Callable[[Callable[[], None]], object]
"""Has a function called soon on the loop of a GUI, from any thread."""
Where = Literal["auto", "thread", "task", "loop", "process"] | asyncio.AbstractEventLoop | Post
Subscriber = Callable[[str, dict[str, Any]], Any]
Condition = Literal["served", "ended", "disconnected", "failed", "died"]

FAR_BEHIND_RECORDS = 1000
"""So much behind, `drop_oldest` leaves out and `disconnect` cuts."""

BLOCK_RECORDS = 100
"""So much behind, a `block` subscriber has the plan wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a subscriber was promised.

    Attributes:
        document: The name of the documents that it wants, or "all".
        policy: What happens when it is slow.
        where: Where it runs: a name, an event loop, or what posts to the loop of a GUI.
        critical: Whether a plan waits for it, and fails with it.
        pages: Whether it wants events packed in pages as they were packed, and not one by one.

    Raises:
        SubscriptionError: No such policy or place, or terms that contradict each other.
    """

    document: str = "all"
    policy: Policy = "lossless"
    where: Where = "auto"
    critical: bool = False
    pages: bool = False

    def __post_init__(self) -> None:
        policies = ("lossless", "drop_oldest", "conflate", "disconnect", "block")
        if self.policy not in policies:
            msg = f"no policy is called {self.policy!r}; there are {', '.join(policies)}"
            raise SubscriptionError(msg)
        places = ("auto", "thread", "task", "loop", "process")
        if isinstance(self.where, str) and self.where not in places:
            msg = f"no subscriber runs in {self.where!r}; there are {', '.join(places)}, an event loop, or a function"
            raise SubscriptionError(msg)
        if self.critical and self.policy in {"drop_oldest", "conflate"}:
            msg = f"a critical subscriber has to see every document, {self.policy!r} leaves some out; use 'lossless'"
            raise SubscriptionError(msg)

    @property
    def kinds(self) -> frozenset[str] | None:
        """The names of the records that hold what it wants; None: of all."""
        if self.document == "all":
            return None
        unpacked = self.document == "event" and not self.pages
        return frozenset({"event", "event_page"} if unpacked else {self.document})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberStatistics:
    """How a subscriber keeps up.

    Attributes:
        name: Of the callable.
        policy: What happens when it is slow.
        lag: Committed records that it has not passed yet.
        delivered: Documents it was called with.
        dropped: Records left out for it, those behind which it was cut included.
        errors: How often it raised.
        condition: `served`; `ended` when it was unsubscribed; `disconnected` when it was too far behind; `failed` when
            it is critical and raised, or could not be served; `died` when its process did.
        pid: Of its process, if it has one.
    """

    name: str
    policy: Policy
    lag: int
    delivered: int
    dropped: int
    errors: int
    condition: Condition
    pid: int | None = None
