"""Ways to call a subscriber from the thread that reads the journal for it: there, or on a loop of its choice."""

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..stream_resource.journal import JournalRecord
from .delivery import deliveries
from .errors import SubscriberGoneError
from .subscriber_terms import Post, Subscriber, Terms

LOOK_AGAIN = 0.5
"""Seconds after which a call that waits for its loop looks whether that has been closed: nothing announces it."""

Failed = Callable[[BaseException], None]


class SubscriberCall(Protocol):
    """Hands the documents of records to a subscriber; used by one thread."""

    pid: int | None

    def open(self) -> None:
        """Make ready to call it.

        Raises:
            SubscriberGoneError: It cannot be called.
        """
        ...

    def deliver(self, record: JournalRecord, failed: Failed) -> int:
        """Call it with what is in a record; gives how many documents it was called with.

        Args:
            record: Of the journal.
            failed: Called with what the subscriber raised; the next document follows.

        Raises:
            SubscriberGoneError: It can be called no more.
        """
        ...

    def close(self) -> None:
        """Let go of what it was called through."""
        ...


class DirectCall:
    """Calls it in the thread that reads for it."""

    pid: int | None = None

    def __init__(self, function: Subscriber, terms: Terms) -> None:
        self._function = function
        self._pages = terms.pages

    def open(self) -> None:
        """Nothing is to be made ready."""

    def deliver(self, record: JournalRecord, failed: Failed) -> int:
        """Call it with what is in a record."""
        delivered = 0
        for name, doc in deliveries(record.name, record.payload, pages=self._pages):
            delivered += 1
            try:
                self.call(name, doc)
            except SubscriberGoneError:
                raise
            except Exception as error:  # noqa: BLE001  # boundary: somebody else's code must not end the run
                failed(error)
        return delivered

    def call(self, name: str, doc: dict[str, Any]) -> None:
        """Call it with one document."""
        self._function(name, doc)

    def close(self) -> None:
        """Nothing is to be let go of."""


class LoopCall(DirectCall):
    """Calls it on another loop, one document at a time, and waits for each: a slow GUI is never flooded."""

    def __init__(self, function: Subscriber, terms: Terms, *, loop: asyncio.AbstractEventLoop | Post) -> None:
        super().__init__(function, terms)
        self._loop = loop if isinstance(loop, asyncio.AbstractEventLoop) else None
        post = loop.call_soon_threadsafe if isinstance(loop, asyncio.AbstractEventLoop) else loop
        self._post: Post = post
        self._end = concurrent.futures.Future[None]()

    def call(self, name: str, doc: dict[str, Any]) -> None:
        """Have it called there with one document, and wait until it has returned."""
        answer = concurrent.futures.Future[Any]()
        try:
            self._post(partial(self._on_loop, answer, name, doc))
        except RuntimeError as error:
            msg = f"the loop that the subscriber {self._function!r} runs on is closed"
            raise SubscriberGoneError(msg) from error
        result = self._answer(answer)
        if inspect.iscoroutine(result) and self._loop is not None:
            self._answer(asyncio.run_coroutine_threadsafe(result, self._loop))

    def _on_loop(self, answer: "concurrent.futures.Future[Any]", name: str, doc: dict[str, Any]) -> None:
        try:
            answer.set_result(self._function(name, doc))
        except BaseException as error:  # noqa: BLE001  # boundary: what the subscriber raised is raised where it is waited for
            answer.set_exception(error)

    def _answer(self, answer: "concurrent.futures.Future[Any]") -> Any:
        while not concurrent.futures.wait({answer}, timeout=LOOK_AGAIN).done:
            if self._loop is not None and self._loop.is_closed():
                msg = f"the loop that the subscriber {self._function!r} runs on was closed while it was called"
                raise SubscriberGoneError(msg)
        return answer.result()
