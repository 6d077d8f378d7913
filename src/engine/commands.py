"""The verb table: what each message does.

A command gets the plan being run, the branch that it comes from, and the message. It is a plain function when there
is nothing to wait for (a coroutine costs 0.1 µs more), else a coroutine function.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

from ..task_scope import together
from . import run_commands
from .branch import Branch
from .cleanup import settled
from .errors import IllegalMessageError, OperationTimeoutError, Rewind
from .execution import Execution
from .freezer import Deferred, checkpoint
from .messages import MsgLike
from .operation import Operation, name_of

Command = Callable[[Execution, Branch, MsgLike], Any]

ITS_OWN = "the plan paused itself"


def _null(_execution: Execution, _branch: Branch, _msg: MsgLike) -> None:
    """Do nothing, but pass the gate."""


def _checkpoint(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    """Mark a place of the plan, by name if it has one: a pause may wait for it."""
    if execution.freezer.deferred is None or not checkpoint(execution.freezer, msg):
        return None
    return execution.freezer.gate.passage(branch)


async def _pause(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Pause the plan here, or with `defer` at the next checkpoint."""
    freezer = execution.freezer
    if msg.kwargs.get("defer", next(iter(msg.args), False)):
        freezer.deferred = Deferred(reason=ITS_OWN, at=None, surface=True)
        return
    freezer.pause(ITS_OWN, surface=True)
    await freezer.gate.passage(branch)


def _start(execution: Execution, branch: Branch, msg: MsgLike) -> Operation:
    """Start set, trigger, prepare, kickoff or complete; the Status comes back at once."""
    kwargs = dict(msg.kwargs)
    group: Hashable | None = kwargs.pop("group", None)
    operation = execution.begin(branch, msg, kwargs)
    branch.join(group, operation)
    return operation


async def _wait(execution: Execution, branch: Branch, msg: MsgLike) -> bool:
    """Wait for a group; True when all of it is done.

    Raises:
        OperationFailedError: A member failed. The others go on; the group is forgotten.
        OperationTimeoutError: It took longer than `timeout`; the group is kept, so that it can be waited for again.
    """
    group: Hashable | None = msg.kwargs["group"] if "group" in msg.kwargs else next(iter(msg.args), None)
    members = [member for member in branch.groups.pop(group, []) if not (member.done and member.claimed)]
    if not members:
        return True
    try:
        late = await _late(execution, branch, members, timeout=msg.kwargs.get("timeout"))
    except Rewind:
        branch.groups[group] = members  # whoever is taken back waits again
        raise
    if not late:
        return True
    branch.groups[group] = members
    if not msg.kwargs.get("error_on_timeout", True):
        return False
    timeout = msg.kwargs["timeout"]
    text = f"wait of group {group!r} took longer than {timeout} s: {', '.join(map(repr, late))}"
    raise OperationTimeoutError(text)


async def _late(
    execution: Execution, branch: Branch, members: list[Operation], *, timeout: float | None
) -> list[Operation]:
    """Wait for all; gives those that were not done in time."""
    expired = False
    try:
        async with execution.limit(branch, timeout) as deadline:
            try:
                await _all(members)
            finally:
                expired = deadline.expired()
    except TimeoutError:
        if not expired:
            raise  # a member's own
        late = [member for member in members if not member.done]
        if not late:  # the last one was done in the very turn in which the time was up
            await _all(members)
        return late
    return []


async def _all(members: list[Operation]) -> None:
    """Await all; the first failure in time is raised as it is, at once."""
    waiting = [member for member in members if not member.done]
    for member in members:
        if member.done:
            await member
    if len(waiting) == 1:
        await waiting[0]
    elif waiting:
        await together(*(_settle(member) for member in waiting))


async def _settle(member: Operation) -> None:
    await member


async def _sleep(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    seconds = float(msg.args[0])
    # A suspender's own plan runs while the plan's clock stands.
    work = asyncio.sleep(seconds) if branch.exempt else execution.freezer.clock.sleep(seconds)
    await execution.apart(branch, work, name="sleep")


async def _wait_for(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    """Wait for the awaitables that the factories in the first argument give."""
    (factories,) = msg.args
    for factory in factories:
        await execution.value(branch, "__call__", factory)


async def _stage(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    if not hasattr(msg.obj, "stage"):
        return []
    execution.staged[msg.obj] = None
    return await _staging(execution, branch, msg)


async def _unstage(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    if not hasattr(msg.obj, "unstage"):
        return []
    result = await _staging(execution, branch, msg)
    execution.staged.pop(msg.obj, None)
    return result


async def _staging(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    """A device's stage may give a Status, be a coroutine, or do it at once and give a list."""
    result = execution.act(msg.command, msg.obj)
    if hasattr(result, "add_callback"):
        operation = Operation(branch, result, verb=msg.command, obj=msg.obj)
        branch.join(msg.kwargs.get("group"), operation)
        execution.remember(operation)
        return operation
    if hasattr(result, "__await__"):
        await execution.apart(branch, settled(result), name=f"{msg.command} of {name_of(msg.obj)}")
        return []
    return result


async def _stop(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    await execution.value(branch, "stop", msg.obj, **msg.kwargs)


async def _locate(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    devices = (msg.obj, *msg.args) if msg.obj is not None else msg.args
    found = await execution.values(branch, "locate", devices)
    return found[0] if len(found) == 1 and msg.kwargs.get("squeeze", True) else found


def _value(verb: str) -> Command:
    """Make the command that calls a coroutine verb of a device and gives its value."""

    async def command(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
        return await execution.value(branch, verb, msg.obj, *msg.args, **msg.kwargs)

    return command


async def _configure(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    """Configure a device; gives (old, new) configuration. Every stream of it gets a new descriptor."""
    if branch.bundles:
        text = f"configure of {name_of(msg.obj)} between create and save; configure it before the event"
        raise IllegalMessageError(text)
    result = execution.act("configure", msg.obj, *msg.args, **msg.kwargs)
    if hasattr(result, "__await__"):
        result = await execution.apart(branch, _given(result), name=f"configure of {name_of(msg.obj)}")
    for run in execution.runs.values():
        await run.configured(branch, msg.obj)
    return result


async def _given(result: Any) -> Any:
    return await result


def _subscribe(execution: Execution, _branch: Branch, msg: MsgLike) -> int:
    """Subscribe until the plan ends: `Msg("subscribe", None, func, name)`."""
    token = execution.engine.subscribe(msg.args[0], next(iter(msg.args[1:]), "all"))
    execution.subscriptions.append(token)
    return token


def _unsubscribe(execution: Execution, _branch: Branch, msg: MsgLike) -> None:
    token = msg.kwargs["token"] if "token" in msg.kwargs else msg.args[0]
    execution.engine.unsubscribe(token)
    if token in execution.subscriptions:
        execution.subscriptions.remove(token)


def _rewindable(execution: Execution, _branch: Branch, msg: MsgLike) -> bool:
    """Say whether generator plans may be taken back, and change it if a bool is given; gives what is so then."""
    wanted = next(iter(msg.args), None)
    if wanted is not None:
        execution.rewindable = bool(wanted)
    return execution.rewindable


def _install_suspender(execution: Execution, _branch: Branch, msg: MsgLike) -> None:
    execution.engine.install_suspender(msg.args[0])


def _remove_suspender(execution: Execution, _branch: Branch, msg: MsgLike) -> None:
    execution.engine.remove_suspender(msg.args[0])


def _engine_class(execution: Execution, _branch: Branch, _msg: MsgLike) -> type:
    return type(execution.engine)


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "null": _null,
        "checkpoint": _checkpoint,
        "pause": _pause,
        "clear_checkpoint": _null,
        "rewindable": _rewindable,
        "RE_class": _engine_class,
        "open_run": run_commands.open_run,
        "close_run": run_commands.close_run,
        "add_to_stop": run_commands.add_to_stop,
        "declare_stream": run_commands.declare_stream,
        "create": run_commands.create,
        "read": run_commands.read,
        "save": run_commands.save,
        "drop": run_commands.drop,
        "trigger_and_read": run_commands.trigger_and_read,
        "collect": run_commands.collect,
        "monitor": run_commands.monitor,
        "unmonitor": run_commands.unmonitor,
        "set": _start,
        "trigger": _start,
        "prepare": _start,
        "kickoff": _start,
        "complete": _start,
        "wait": _wait,
        "wait_for": _wait_for,
        "sleep": _sleep,
        "stage": _stage,
        "unstage": _unstage,
        "stop": _stop,
        "locate": _locate,
        "configure": _configure,
        "describe": _value("describe"),
        "describe_configuration": _value("describe_configuration"),
        "read_configuration": _value("read_configuration"),
        "install_suspender": _install_suspender,
        "remove_suspender": _remove_suspender,
        "subscribe": _subscribe,
        "unsubscribe": _unsubscribe,
    }
)
