"""The verb table: what each message does.

A command gets the plan being run, the branch that it comes from, and the message. It is a plain function when there
is nothing to wait for (a coroutine costs 0.1 µs more), else a coroutine function.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

from . import collecting, run_commands
from .branch import Branch
from .cleanup import settled
from .errors import IllegalMessageError
from .execution import Execution
from .freezer import Deferred, checkpoint, performed
from .messages import MsgLike
from .operation import Operation, failure, name_of
from .waiting import WAITING

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
        name = f"{msg.command} of {name_of(msg.obj)}"
        await execution.apart(branch, _settled(msg.command, msg.obj, result), name=name)
        return []
    return result


async def _settled(verb: str, obj: Any, result: Any) -> None:
    try:
        await settled(result)
    except Exception as error:  # boundary: whatever a device raises is named after its operation
        raise failure(verb, obj, error) from error


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
    """Subscribe until the plan ends: `Msg("subscribe", None, func, name)`, or by keywords."""
    token = execution.engine.subscribe(*msg.args, **msg.kwargs)
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


async def _inline(_execution: Execution, _branch: Branch, msg: MsgLike) -> Any:
    """Perform another plan, of either kind, and give its value: `Msg("inline", None, (plan,))`."""
    return await performed(msg.args[0])


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
        "inline": _inline,
        "open_run": run_commands.open_run,
        "close_run": run_commands.close_run,
        "add_to_stop": run_commands.add_to_stop,
        "declare_stream": run_commands.declare_stream,
        "create": run_commands.create,
        "read": run_commands.read,
        "save": run_commands.save,
        "drop": run_commands.drop,
        "trigger_and_read": run_commands.trigger_and_read,
        "collect": collecting.collect,
        "monitor": run_commands.monitor,
        "unmonitor": run_commands.unmonitor,
        "set": _start,
        "trigger": _start,
        "prepare": _start,
        "kickoff": _start,
        "complete": _start,
        **WAITING,
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
