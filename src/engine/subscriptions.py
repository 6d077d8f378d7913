"""Who is subscribed to an engine."""

import contextlib
from collections.abc import Callable

from ..task_owner import TaskOwner
from .journal import Journal
from .subscribers import SubscriberStatistics, Subscription, Where


class Subscriptions:
    """The subscribers of one engine, by token.

    Args:
        journal: What they read.
        owner: Of the tasks of those that are asynchronous.
        ready: Settles the engine on the running loop; raises RuntimeError if none runs.
    """

    def __init__(self, journal: Journal, owner: TaskOwner, *, ready: Callable[[], None]) -> None:
        self._journal = journal
        self._owner = owner
        self._ready = ready
        self._tokens = 0
        self._active: dict[int, Subscription] = {}
        self._ending: list[Subscription] = []
        self._unstarted: list[Subscription] = []

    def add(self, subscription: Subscription, *, where: Where) -> int:
        """Start one; gives its token."""
        self._tokens += 1
        self._active[self._tokens] = subscription
        if subscription.in_task(where):
            self._unstarted.append(subscription)
            with contextlib.suppress(RuntimeError):  # no loop runs yet: it starts with the first plan
                self._ready()
        else:
            subscription.start_thread()
        return self._tokens

    def start(self) -> None:
        """Start the asynchronous ones that came before there was a loop."""
        while self._unstarted:
            self._unstarted.pop().start(self._owner)

    def remove(self, token: int) -> None:
        """Let one get what has been emitted so far, and then nothing more; an unknown token is passed over."""
        subscription = self._active.pop(token, None)
        if subscription is not None:
            subscription.end(self._journal.next_sequence)
            self._ending = [one for one in self._ending if not one.ended]
            self._ending.append(subscription)

    def check(self) -> None:
        """Raise what a critical one has failed with.

        Raises:
            SubscriberFailedError: One has.
        """
        for subscription in self._active.values():
            subscription.check()

    async def settled(self, last: int) -> None:
        """Wait until the critical ones have seen record `last`.

        Raises:
            SubscriberFailedError: One has failed.
        """
        for subscription in [one for one in self._active.values() if one.critical]:
            await subscription.settled(last)
            subscription.check()

    def statistics(self) -> tuple[SubscriberStatistics, ...]:
        """Say how each keeps up."""
        return tuple(one.statistics() for one in self._active.values())

    async def drain(self, within: float) -> list[str]:
        """End all, and wait until they have caught up; gives the names of those that have not `within` seconds."""
        for token in list(self._active):
            self.remove(token)
        return [one.name for one in self._ending if not await one.join(within)]
