"""The one point that every operation of a plan passes.

Three ways lead here: a generator yields a Msg, a plan stub awaits one, or a verb of one of our devices, called in a
plan, makes one (`DeviceHook`, which the engine puts into `async_devices.protocols.DISPATCH`). From here a message
goes through the engine's middleware (`async def middleware(msg, call)`, the first in the list being the outermost)
to the command table.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any

from ..async_devices.protocols import Progress, Status
from ..task_owner import TaskOwner
from .branch import CURRENT, Branch, here
from .messages import Msg, MsgLike

Call = Callable[[MsgLike], Awaitable[Any]]
Middleware = Callable[[MsgLike, Call], Awaitable[Any]]


def dispatch(msg: MsgLike) -> Coroutine[Any, Any, Any]:
    """Perform one message in the plan that runs here; awaited, it gives the message's result.

    Call it where it is awaited: it belongs to the branch in which it is called. (It is no coroutine function itself, as
    one more frame would add a tenth to the cost of a message.)

    Raises:
        NotInPlanError: No plan runs here.
    """
    branch = here()
    return branch.execution.perform(branch, msg)


def through(middleware: Sequence[Middleware], last: Call) -> Call:
    """Put `middleware` in front of `last`, the first of the list outermost."""
    call = last
    for layer in reversed(middleware):
        call = _bind(layer, call)
    return call


def _bind(layer: Middleware, call: Call) -> Call:
    def bound(msg: MsgLike) -> Awaitable[Any]:
        return layer(msg, call)

    return bound


class PlanStatus(Status):
    """The Status that a device verb gives in a plan: it knows whether anybody awaited it.

    Attributes:
        claimed: Whether it was awaited, so that its failure has reached the plan.
    """

    __slots__ = ("claimed",)

    def __init__(self, work: Coroutine[Any, Any, Any], *, name: str = "", owner: TaskOwner | None = None) -> None:
        super().__init__(work, name=name, owner=owner)
        self.claimed = False

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        return self.done and not self.success

    def __await__(self) -> Generator[Any, None, None]:
        self.claimed = True
        return super().__await__()


class DeviceHook:
    """What a device verb meets in a plan: it becomes a message of the branch that called it.

    It implements `async_devices.protocols.Dispatcher`.
    """

    def submit(self, verb: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Status:
        """Send a verb that answers with a Status; the Status given back is done when the device is."""
        branch = here()
        relays: list[PlanStatus] = []
        follower = _follow(branch, Msg(verb, obj, args, kwargs), relays)
        status = PlanStatus(follower, name=f"{verb} of {getattr(obj, 'name', obj)}", owner=branch.execution.owner)
        relays.append(status)
        branch.execution.remember(status)
        return status

    async def call(self, verb: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Send a coroutine verb and give its result."""
        return await dispatch(Msg(verb, obj, args, kwargs))


async def _follow(branch: Branch, msg: Msg, relays: list[PlanStatus]) -> None:
    # This runs in the Status' own task, but the operation stays its caller's: his bundle, his wait group.
    lent = branch.lend(asyncio.current_task(), relays[0])
    CURRENT.set(lent)
    operation = await branch.execution.perform(lent, msg)
    if not hasattr(operation, "__await__"):
        return
    watch = getattr(operation, "watch", None)
    if watch is not None:
        watch(_relay(relays))
    await operation


def _relay(relays: list[PlanStatus]) -> Callable[..., None]:
    """Make a watcher of a device's Status that passes its progress on to the plan's."""

    def report(**fields: Any) -> None:
        for relay in relays:
            relay.report(Progress(**fields))

    return report
