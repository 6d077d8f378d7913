"""The messages that make documents: runs, events, and what flyers and detectors have written."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, cast

from event_model import ComposeEvent
from event_model.documents import EventDescriptor

from ..task_scope import together
from .branch import Branch
from .bundle import AssetDocument, Bundle
from .documents import Document
from .errors import IllegalMessageError, UnsupportedVerbError
from .execution import Execution
from .messages import Msg, MsgLike
from .monitor import Monitor
from .open_run import OpenRun
from .operation import Operation, failure, name_of
from .stream import Declared


def run_of(execution: Execution, msg: MsgLike) -> OpenRun:
    """Find the run that a message is about.

    Raises:
        IllegalMessageError: It is not open.
    """
    run = execution.runs.get(msg.run)
    if run is None:
        which = "" if msg.run is None else f" with the key {msg.run!r}"
        text = f"{msg.command}: no run{which} is open; send open_run first (`async with run(): ...`)"
        raise IllegalMessageError(text)
    return run


async def open_run(execution: Execution, _branch: Branch, msg: MsgLike) -> str:
    """Open a run; gives its uid. The keyword arguments are metadata."""
    if msg.run in execution.runs:
        which = "" if msg.run is None else f" with the key {msg.run!r}"
        text = f"open_run: a run{which} is open already; close it, or give this one another key"
        raise IllegalMessageError(text)
    metadata = execution.engine.metadata_of(execution, msg.kwargs)
    run = execution.runs[msg.run] = OpenRun(execution, msg.run, metadata)
    execution.uids.append(run.uid)
    execution.engine.opened(run.handle)
    await execution.engine.room()
    return run.uid


async def close_run(execution: Execution, branch: Branch, msg: MsgLike) -> str:
    """Close a run; gives its uid. Keyword arguments besides exit_status and reason become keys of the stop document."""
    run = run_of(execution, msg)
    extra = dict(msg.kwargs)
    status = extra.pop("exit_status", None) or "success"
    reason = extra.pop("reason", None) or ""
    bundle = branch.bundles.pop(msg.run, None)
    if bundle is not None and bundle.assets:
        run.drop(bundle)
    await run.close(exit_status=status, reason=reason, extra=extra)
    del execution.runs[msg.run]
    return run.uid


def add_to_stop(execution: Execution, _branch: Branch, msg: MsgLike) -> None:
    """Keep keyword arguments for the stop document, however and by whomever the run will be closed."""
    run_of(execution, msg).extra.update(msg.kwargs)


async def declare_stream(execution: Execution, branch: Branch, msg: MsgLike) -> Declared:
    """Announce a stream before its data; gives its descriptor, and what bluesky gives besides."""
    run = run_of(execution, msg)
    devices = list(dict.fromkeys(msg.args))
    stream = await run.declare(branch, msg.kwargs["name"], devices, collect=bool(msg.kwargs.get("collect", False)))
    return Declared(
        stream.descriptor, ComposeEvent(cast(EventDescriptor, stream.descriptor), Counter({stream.name: 1})), devices
    )


def create(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Begin to bundle an event."""
    run_of(execution, msg)
    if msg.run in branch.bundles:
        text = f"create: an event of stream {branch.bundles[msg.run].stream!r} is open here; save or drop it first"
        raise IllegalMessageError(text)
    name = msg.kwargs["name"] if "name" in msg.kwargs else next(iter(msg.args), "primary")
    branch.bundles[msg.run] = Bundle(name)


def _bundle(branch: Branch, msg: MsgLike) -> Bundle:
    bundle = branch.bundles.pop(msg.run, None)
    if bundle is None:
        text = f"{msg.command}: no event is open here; send create first"
        raise IllegalMessageError(text)
    return bundle


async def read(execution: Execution, branch: Branch, msg: MsgLike) -> Mapping[str, Any]:
    """Read a device; between create and save, into the event."""
    reading = _checked(msg.obj, await execution.value(branch, "read", msg.obj, *msg.args, **msg.kwargs))
    bundle = branch.bundles.get(msg.run)
    if bundle is not None:
        bundle.add(msg.obj, reading)
        bundle.assets.extend(await assets_of(execution, branch, msg.obj, None))
    return reading


def _checked(device: Any, reading: Any) -> Mapping[str, Any]:
    if reading is None:
        text = f"read of {name_of(device)} gave None; expected a dict of readings"
        raise UnsupportedVerbError(text)
    return reading


async def save(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Make the open bundle an event."""
    await run_of(execution, msg).save(branch, _bundle(branch, msg))
    await execution.engine.room()


def drop(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Forget the open bundle; rows that its devices have written are announced, as rows of no event."""
    bundle = _bundle(branch, msg)
    if bundle.assets:
        run_of(execution, msg).drop(bundle)


async def trigger_and_read(execution: Execution, branch: Branch, msg: MsgLike) -> Document:
    """Take a point, atomically: trigger all devices, read all in parallel, make one event of it if a run is open."""
    (devices,) = msg.args
    triggered = [device for device in devices if hasattr(device, "trigger")]
    run = execution.runs.get(msg.run)
    bundle = Bundle(msg.kwargs.get("name", "primary"))
    try:
        await _triggered(execution, branch, triggered)
        readings = await _read_all(execution, branch, devices)
        for device, reading in readings.items() if run is not None else ():
            bundle.add(device, reading)
            bundle.assets.extend(await assets_of(execution, branch, device, None))
    except BaseException:
        # What was exposed is in the files, whatever has broken the point off: its rows are announced, as of no event.
        execution.strays |= {name_of(device) for device in triggered}
        if run is not None and bundle.assets:
            run.drop(bundle)
        raise
    if run is not None:
        await run.save(branch, bundle)
        await execution.engine.room()
    return {key: value for reading in readings.values() for key, value in reading.items()}


async def _triggered(execution: Execution, branch: Branch, devices: Sequence[Any]) -> None:
    """Trigger all at once and wait for them."""
    operations = [execution.begin(branch, Msg("trigger", device), {}) for device in devices]
    waiting = [operation for operation in operations if not operation.success]
    for operation in waiting:
        if operation.done:
            await operation
    if waiting:
        await together(*(_settle(operation) for operation in waiting))


async def _settle(operation: Operation) -> None:
    await operation


async def _read_all(execution: Execution, branch: Branch, devices: Sequence[Any]) -> dict[Any, Mapping[str, Any]]:
    readings = await execution.values(branch, "read", devices)
    return {device: _checked(device, reading) for device, reading in zip(devices, readings, strict=True)}


async def assets_of(execution: Execution, branch: Branch, device: Any, index: int | None) -> list[AssetDocument]:
    """Ask a device for the documents of what it has written, up to frame `index` if that is given."""
    if not hasattr(device, "collect_asset_docs"):
        return []
    name = f"collect_asset_docs of {name_of(device)}"
    return await execution.apart(branch, _asset_docs(execution, device, index), name=name)


async def _asset_docs(execution: Execution, device: Any, index: int | None) -> list[AssetDocument]:
    given = execution.act("collect_asset_docs", device, *(() if index is None else (index,)))
    try:
        return [item async for item in iterated(given)]
    except Exception as error:  # boundary: whatever a device raises is named after its operation
        raise failure("collect_asset_docs", device, error) from error


async def iterated(items: Iterable[Any] | AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Iterate over what a device gives, whether it does so synchronously or not."""
    if hasattr(items, "__aiter__"):
        async for item in cast(AsyncIterator[Any], items):
            yield item
    else:
        for item in cast(Iterable[Any], items):
            yield item


async def monitor(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Make an event of every change of a device, in a stream of its own."""
    run = run_of(execution, msg)
    if msg.obj in run.monitors:
        text = f"{name_of(msg.obj)} is monitored already in this run"
        raise IllegalMessageError(text)
    further = dict(msg.kwargs)
    name = further.pop("name", None) or f"{name_of(msg.obj)}_monitor"
    stream = await run.declare(branch, name, [msg.obj], collect=False)
    opened = run.monitors[msg.obj] = Monitor(run, stream, msg.obj, further)
    opened.open()


def unmonitor(execution: Execution, _branch: Branch, msg: MsgLike) -> None:
    """Monitor a device no more."""
    opened = run_of(execution, msg).monitors.pop(msg.obj, None)
    if opened is None:
        text = f"{name_of(msg.obj)} is not monitored in this run"
        raise IllegalMessageError(text)
    opened.close()
