"""Circuit: what the PVs of one server share, and the look at whether it still answers.

A closed circuit is told by the protocol's library at once. A server that hangs, or a cable that was pulled, is not:
Channel Access asks after 15 to 30 s of silence. So every `TICK` it is looked whether there was a sign of life since the
last look. If there was none, and something waits (a put's callback, a reader of a monitor), one of those that wait asks
for its value, and has `ANSWER` seconds to get it: at most 2 TICK + ANSWER = 4 s after the last sign of life they all
know. What nothing waits on is never asked, and one answer serves every PV of the circuit.

A sign of life is one assignment (`alive = True`), because every update of every monitor makes one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..task_owner import TaskOwner
from .errors import DeviceError, DisconnectedError, FrozenError, WaitTimeoutError

TICK = 1.0
"""Seconds between two looks whether there was a sign of life."""
ANSWER = 2.0
"""Seconds it has to give one."""
GET_ANSWER = 4.0
"""Seconds in which any read must be answered, whatever time-out it has: nothing but a frozen server takes longer."""
RETURN = 1.5
"""Seconds that an operation waits for a closed circuit to come back."""


class Waiter(Protocol):
    """Something of one PV that may wait."""

    @property
    def waiting(self) -> bool:
        """Whether it waits now."""
        ...

    def failed(self, error: DeviceError) -> None:
        """End the wait."""
        ...

    async def probe(self, *, timeout: float) -> None:
        """Ask the server for anything.

        Raises:
            DeviceError: It did not answer.
        """
        ...


class Circuit:
    """The way to one server, looked at while something waits on it."""

    def __init__(self, label: str) -> None:
        """Begin unheard.

        Args:
            label: Of the server, for messages.
        """
        self.label = label
        self.alive = True
        """Set by whoever hears of the server."""
        self._waiters: set[Waiter] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: TaskOwner | None = None
        self._probing = False

    def enter(self, waiter: Waiter) -> None:
        """Look at the circuit as long as `waiter` may wait."""
        self._waiters.add(waiter)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def leave(self, waiter: Waiter) -> None:
        """Look no more on its behalf. May be called again."""
        self._waiters.discard(waiter)
        if not self._waiters and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK, self._tick)
        if self._probing or self.alive:
            self.alive = False
            return
        waiter = next((each for each in self._waiters if each.waiting), None)
        if waiter is not None:
            self._probing = True
            self._tasks = self._tasks or TaskOwner(f"circuit {self.label}")
            self._tasks.start(self._probe(waiter), name="probe")

    async def _probe(self, waiter: Waiter) -> None:
        try:
            await waiter.probe(timeout=ANSWER)
        except (WaitTimeoutError, DisconnectedError) as error:
            self._fail(error)
        except DeviceError:
            self.alive = True  # a refusal is an answer
        else:
            self.alive = True
        finally:
            self._probing = False

    def _fail(self, error: DeviceError) -> None:
        silent = f"the server keeps its circuit open but has not answered for {ANSWER:g} s; is it frozen?"
        for waiter in [each for each in self._waiters if each.waiting]:
            told = FrozenError(f"{self.label}: {silent}") if isinstance(error, WaitTimeoutError) else error
            waiter.failed(told)

    async def aclose(self) -> None:
        """End the look; no PV is left on it."""
        for waiter in list(self._waiters):
            self.leave(waiter)
        if self._tasks is not None:
            tasks, self._tasks = self._tasks, None
            await tasks.aclose()


class Wait:
    """One operation that waits for an answer, and for the end of its circuit."""

    def __init__(self, work: asyncio.Future[Any], *, probe: Callable[[float], Awaitable[None]]) -> None:
        """Wait for `work`; `probe(timeout)` asks the same server for something else."""
        self._work = work
        self._probe = probe
        self._trouble: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> bool:
        """Until either has come."""
        return not self._work.done() and not self._trouble.done()

    def failed(self, error: DeviceError) -> None:
        """End the wait with `error`."""
        if not self._trouble.done():
            self._trouble.set_exception(error)

    async def probe(self, *, timeout: float) -> None:
        """Ask the server for something else."""
        await self._probe(timeout)

    async def done(self, circuit: Circuit, *, timeout: float | None) -> bool:
        """Wait on `circuit`; give whether the work has ended within `timeout`, well or not.

        Raises:
            DisconnectedError: The circuit closed, or nobody answers on it.
        """
        circuit.enter(self)
        try:
            await asyncio.wait({self._work, self._trouble}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            circuit.leave(self)
        if not self._work.done() and self._trouble.done():
            self._trouble.result()
        self._trouble.cancel()
        if self._trouble.done() and not self._trouble.cancelled():
            self._trouble.exception()
        return self._work.done()
