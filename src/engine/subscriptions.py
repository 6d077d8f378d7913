"""Who is subscribed to an engine."""

import asyncio
import contextlib
import inspect
from collections.abc import Callable

from ..task_owner import TaskOwner
from .errors import SubscriptionError
from .journal import Journal
from .subscriber_call import DirectCall, LoopCall, SubscriberCall
from .subscriber_process import ProcessCall
from .subscriber_terms import Subscriber, SubscriberStatistics, Terms
from .subscribers import Subscription


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
        self._blocking: list[Subscription] = []

    def add(self, function: Subscriber | str, terms: Terms) -> int:
        """Start to serve a subscriber; gives its token.

        Raises:
            SubscriptionError: It cannot be had on these terms.
        """
        call = _call_of(function, terms)
        subscription = Subscription(self._journal, function, terms=terms, call=call)
        self._tokens += 1
        self._active[self._tokens] = subscription
        if terms.policy == "block":
            self._blocking.append(subscription)
        if call is None:
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
            self._blocking = [one for one in self._blocking if one is not subscription]
            self._ending = [one for one in self._ending if not one.ended]
            self._ending.append(subscription)

    def check(self) -> None:
        """Raise what a critical one has failed with.

        Raises:
            SubscriberFailedError: One has.
        """
        for subscription in self._active.values():
            subscription.check()

    async def room(self) -> None:
        """Wait while one that asked for it is too far behind; returns at once if none has asked."""
        for subscription in self._blocking:
            await subscription.caught_up()

    async def settled(self, last: int) -> None:
        """Wait until the critical ones have seen record `last`.

        Raises:
            SubscriberFailedError: One has failed.
        """
        for subscription in [one for one in self._active.values() if one.terms.critical]:
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


def _call_of(function: Subscriber | str, terms: Terms) -> SubscriberCall | None:
    """Choose how a subscriber is called; None: in a task of the engine."""
    where = terms.where
    if where == "process":
        return ProcessCall(function, terms)
    if isinstance(function, str):
        msg = f"{function!r} is a path: only a subscriber with where='process' is given by one"
        raise SubscriptionError(msg)
    if where == "task" or (where == "auto" and _is_async(function)):
        return None
    if where == "auto" or where == "thread":  # the type checker follows this
        return DirectCall(function, terms)
    return LoopCall(function, terms, loop=_running() if isinstance(where, str) else where)


def _running() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        msg = "where='loop' is the loop that runs where you subscribe, and none does; give the loop itself as `where`"
        raise SubscriptionError(msg) from error


def _is_async(function: Subscriber) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
