"""Plan stubs: what a plan awaits, under bluesky's names.

Each makes one message, or a few, and gives the message's result. `mv` and the like raise what the device failed
with, at this await.
"""

import uuid
from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from .branch import here
from .dispatch import dispatch
from .documents import Document
from .errors import Interruption, Rewind, UnsupportedVerbError
from .execution import reason_of
from .generator_plans import as_messages
from .messages import Msg
from .operation import Operation, name_of
from .plan import Plan
from .run import Run
from .section import drive

_NULL = Msg("null")
_CHECKPOINT = Msg("checkpoint")


async def null() -> None:
    """Do nothing, but pass the engine's gate."""
    await dispatch(_NULL)


async def checkpoint(name: str | None = None) -> None:
    """Mark a place at which a pause may wait, by name if it has one."""
    await dispatch(_CHECKPOINT if name is None else Msg("checkpoint", None, (), {"name": name}))


async def pause() -> None:
    """Pause the plan here: whoever awaits it gets RunPaused, and `await RE.resume()` goes on."""
    await dispatch(Msg("pause", None, (), {"defer": False}))


async def deferred_pause() -> None:
    """Pause the plan at its next checkpoint."""
    await dispatch(Msg("pause", None, (), {"defer": True}))


async def sleep(time: float) -> None:
    """Let `time` seconds pass."""
    await dispatch(Msg("sleep", None, (time,)))


async def wait(group: Hashable | None = None, *, timeout: float | None = None, error_on_timeout: bool = True) -> bool:
    """Wait for all operations of a group; True when all are done.

    Raises:
        OperationFailedError: One failed.
        OperationTimeoutError: It took longer than `timeout` seconds; with `error_on_timeout` False it gives False
        instead.
    """
    kwargs = {"group": group, "timeout": timeout, "error_on_timeout": error_on_timeout}
    return await dispatch(Msg("wait", None, (), kwargs))


# Moving.


async def abs_set(obj: Any, *args: Any, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Send a device somewhere; gives an operation to await, unless `wait` does that already."""
    operation: Operation = await dispatch(Msg("set", obj, args, {"group": group, **kwargs}))
    if wait:
        await operation
    return operation


async def mv(
    *args: Any, group: Hashable | None = None, timeout: float | None = None, **kwargs: Any
) -> tuple[Operation, ...]:
    """Move devices at once, `mv(motor1, position1, motor2, position2, ...)`, and wait until all are there.

    Raises:
        OperationFailedError: One failed to get there; the others go on until the plan ends.
        OperationTimeoutError: It took longer than `timeout` seconds.
    """
    if len(args) % 2 or not args:
        msg = f"mv needs pairs of device and position, seen {len(args)} arguments: {args!r}"
        raise ValueError(msg)
    group = group if group is not None else f"mv-{uuid.uuid4().hex[:8]}"
    pairs = zip(args[::2], args[1::2], strict=True)
    operations = [await abs_set(obj, value, group=group, **kwargs) for obj, value in pairs]
    await dispatch(Msg("wait", None, (), {"group": group, "timeout": timeout}))
    return tuple(operations)


mov = mv


async def stop(obj: Any) -> None:
    """Stop a device."""
    await dispatch(Msg("stop", obj))


async def locate(*objs: Any, squeeze: bool = True) -> Any:
    """Ask devices, at once, where they were sent and where they are; of one device, its Location itself."""
    return await dispatch(Msg("locate", objs[0], objs[1:], {"squeeze": squeeze}))


# Reading.


async def read(obj: Any) -> Mapping[str, Any]:
    """Read a device; between create and save, into the event."""
    return await dispatch(Msg("read", obj))


async def rd(obj: Any) -> Any:
    """Give the one value of a device: its position if it can be located, else its hinted or only field.

    Raises:
        ValueError: It has several, and no single one is hinted.
    """
    if hasattr(obj, "locate"):
        return (await locate(obj))["readback"]
    reading = await read(obj)
    hinted = list(getattr(obj, "hints", {}).get("fields", ()))
    fields = hinted or list(reading)
    if len(fields) != 1:
        msg = f"rd({name_of(obj)}): expected one value, seen {fields}; read one of its parts, or use `read`"
        raise ValueError(msg)
    return reading[fields[0]]["value"]


async def trigger(obj: Any, *, group: Hashable | None = None, wait: bool = False) -> Operation:
    """Have a device take one measurement; gives an operation to await, unless `wait` does that already."""
    operation: Operation = await dispatch(Msg("trigger", obj, (), {"group": group}))
    if wait:
        await operation
    return operation


async def trigger_and_read(devices: Sequence[Any], name: str = "primary") -> Document:
    """Take a point: trigger all, read all at once, and make one event of stream `name` if a run is open.

    Gives the readings.
    """
    return await dispatch(Msg("trigger_and_read", None, (list(dict.fromkeys(devices)),), {"name": name}))


async def create(name: str = "primary") -> None:
    """Begin an event of stream `name`: what is read until `save` goes into it."""
    await dispatch(Msg("create", None, (), {"name": name}))


async def save() -> None:
    """End the event and put it into the run."""
    await dispatch(Msg("save"))


async def drop() -> None:
    """Forget the event that was begun."""
    await dispatch(Msg("drop"))


async def configure(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """Configure a device; gives its configuration before and after."""
    return await dispatch(Msg("configure", obj, args, kwargs))


async def monitor(obj: Any, *, name: str | None = None) -> None:
    """Make an event of every change of a device, in stream `name`, until unmonitor or the end of the run."""
    await dispatch(Msg("monitor", obj, (), {"name": name}))


async def unmonitor(obj: Any) -> None:
    """Monitor a device no more."""
    await dispatch(Msg("unmonitor", obj))


async def install_suspender(suspender: Any) -> None:
    """Have plans rest for a suspender from here on, until it is removed."""
    await dispatch(Msg("install_suspender", None, (suspender,)))


async def remove_suspender(suspender: Any) -> None:
    """Have plans rest for it no more."""
    await dispatch(Msg("remove_suspender", None, (suspender,)))


# Staging.


async def stage(obj: Any, *, group: Hashable | None = None, wait: bool = True) -> Any:
    """Make a device ready for a run; by default wait until it is. A device that needs no staging gives []."""
    return await _staged("stage", obj, group, wait=wait)


async def unstage(obj: Any, *, group: Hashable | None = None, wait: bool = True) -> Any:
    """Undo `stage`."""
    return await _staged("unstage", obj, group, wait=wait)


async def _staged(verb: str, obj: Any, group: Hashable | None, *, wait: bool) -> Any:
    result = await dispatch(Msg(verb, obj, (), {"group": group}))
    if wait and isinstance(result, Operation):
        await result
    return result


async def stage_all(*args: Any, group: Hashable | None = None) -> None:
    """Make devices ready, all at once, and wait for them."""
    await _all_staged("stage", args, group)


async def unstage_all(*args: Any, group: Hashable | None = None) -> None:
    """Undo `stage_all`."""
    await _all_staged("unstage", args, group)


async def _all_staged(verb: str, devices: Sequence[Any], group: Hashable | None) -> None:
    group = group if group is not None else f"{verb}-{uuid.uuid4().hex[:8]}"
    for device in devices:
        await dispatch(Msg(verb, device, (), {"group": group}))
    await wait(group)


@asynccontextmanager
async def staged(*devices: Any) -> AsyncGenerator[None, None]:
    """Have devices staged inside the `async with`, and unstaged after it whatever happens."""
    try:
        await stage_all(*devices)
        yield
    finally:
        await unstage_all(*reversed(devices))


# Flying.


async def prepare(obj: Any, *args: Any, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Tell a device what is about to come; gives an operation to await, unless `wait` does that already."""
    return await _flown("prepare", obj, args, {"group": group, **kwargs}, wait=wait)


async def kickoff(obj: Any, *, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Have a flyer begin; gives an operation to await, unless `wait` does that already."""
    return await _flown("kickoff", obj, (), {"group": group, **kwargs}, wait=wait)


async def complete(obj: Any, *, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Give the operation that is done when a flyer has ended; with `wait`, when it is."""
    return await _flown("complete", obj, (), {"group": group, **kwargs}, wait=wait)


async def _flown(verb: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait: bool) -> Operation:
    operation: Operation = await dispatch(Msg(verb, obj, args, kwargs))
    if wait:
        await operation
    return operation


async def kickoff_all(*args: Any, group: Hashable | None = None, wait: bool = True) -> None:
    """Have flyers begin, all at once."""
    operations = [await kickoff(obj, group=group) for obj in args]
    for operation in operations if wait else ():
        await operation


async def complete_all(*args: Any, group: Hashable | None = None, wait: bool = False) -> None:
    """Wait, or have the group wait, for flyers to end."""
    operations = [await complete(obj, group=group) for obj in args]
    for operation in operations if wait else ():
        await operation


async def declare_stream(*objs: Any, name: str, collect: bool = False) -> Document:
    """Announce stream `name` before its data; gives its descriptor."""
    return await dispatch(Msg("declare_stream", None, objs, {"name": name, "collect": collect}))


async def collect(obj: Any, *args: Any, name: str | None = None, stream: bool = True) -> list[tuple[str, Document]]:
    """Emit what flyers and detectors have written since the last time, into stream `name`; gives these documents."""
    return await dispatch(Msg("collect", obj, args, {"name": name, "stream": stream}))


# Runs.


async def open_run(md: Mapping[str, Any] | None = None) -> str:
    """Open a run; gives its uid."""
    return await dispatch(Msg("open_run", None, (), dict(md or {})))


async def close_run(exit_status: str | None = None, reason: str | None = None, **extra: Any) -> str:
    """Close the run; gives its uid. `extra` become keys of its stop document."""
    return await dispatch(Msg("close_run", None, (), {"exit_status": exit_status, "reason": reason, **extra}))


async def add_to_stop(**extra: Any) -> None:
    """Keep `extra` keys for the stop document: they stand there also when the engine closes the run, after an abort."""
    await dispatch(Msg("add_to_stop", None, (), extra))


@asynccontextmanager
async def run(md: Mapping[str, Any] | None = None) -> AsyncGenerator[Run, None]:
    """Have a run open inside the `async with`, and closed after it with the exit_status that is true.

    On an error the devices that were moved or triggered are stopped first, and the run is closed as failed. On a
    stop or an abort the engine closes it, when the plan has ended and its devices are stopped.
    """
    await open_run(md)
    execution = here().execution
    handle = execution.runs[None].handle
    try:
        yield handle
    except Interruption:
        raise
    except Rewind:
        if None in execution.runs and execution.interruption is None:
            await close_run("abort", "its step is taken again")
        raise
    except Exception as error:
        if None in execution.runs and execution.interruption is None:
            await execution.quiet()
            await close_run("fail", reason_of(error))
        raise
    if execution.runs.get(None) is not None and execution.runs[None].handle is handle:
        await close_run()


async def inline(plan: Any) -> Any:
    """Run a Plan or a generator of messages in the plan that runs here, and give its value."""
    if isinstance(plan, Plan):
        return await cast(Plan[Any], plan).body()
    return await drive(as_messages(plan))


async def wait_for(*awaitables: Any) -> None:
    """Wait for coroutines, given as functions that make them."""
    for factory in awaitables:
        if not callable(factory):
            msg = f"wait_for needs functions that make awaitables, seen {factory!r}"
            raise UnsupportedVerbError(msg)
    await dispatch(Msg("wait_for", None, (awaitables,)))
