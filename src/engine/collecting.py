"""The message `collect`: what flyers and detectors have written or measured since the last time.

Theory of operation. There are three kinds of what is collected, which may come together. Detectors that write files
announce their rows (`collect_asset_docs`); several of one stream are collected up to the frame that all of them have
(the least `get_index`). Flyers that keep their readings hand them over as partial events (`collect`) or as pages of
them (`collect_pages`); each becomes an event of the stream whose keys it has, and events come packed in pages, as
bluesky's do. Such a flyer needs no stream declared: `describe_collect` says which it has, one dict in another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .branch import Branch
from .errors import CollectError, IllegalMessageError
from .execution import Execution
from .messages import MsgLike
from .open_run import OpenRun
from .operation import name_of
from .run_commands import assets_of, iterated, run_of
from .stream import Stream

Readings = list[Mapping[str, Any]]


async def collect(execution: Execution, branch: Branch, msg: MsgLike) -> Any:
    """Emit what has been written since the last time.

    Gives, unless `return_payload` is False, what a flyer has handed over, else the asset documents that were emitted.

    Raises:
        IllegalMessageError: No stream was declared for these devices, and they do not say themselves which is theirs.
        CollectError: What was handed over has no stream, or does not go on where the run's earlier documents ended.
    """
    run = run_of(execution, msg)
    devices = (msg.obj, *msg.args)
    streams = await _streams(run, branch, msg, devices)
    index = await _common_index(execution, branch, devices)
    assets = [item for device in devices for item in await assets_of(execution, branch, device, index)]
    packed = run.pack(streams[0] if len(streams) == 1 else None, assets)
    handed: Readings = []
    for device in devices:
        handed += await _hand_over(run, streams, device)
    await execution.engine.room()
    if not msg.kwargs.get("return_payload", True):
        return None
    return handed or packed


async def _streams(run: OpenRun, branch: Branch, msg: MsgLike, devices: Sequence[Any]) -> list[Stream]:
    """Find the streams that the devices' data may belong to; of detectors that write files, the one."""
    name: str | None = msg.kwargs.get("name")
    if name is not None:
        return [_declared(run, name)]
    theirs = [stream for stream in run.streams.values() if set(devices) <= stream.devices.keys()]
    if theirs or len(devices) > 1 or not hasattr(devices[0], "describe_collect"):
        return theirs or ([next(iter(run.streams.values()))] if len(run.streams) == 1 else [])
    return await run.declare_own(branch, devices[0])


def _declared(run: OpenRun, name: str) -> Stream:
    stream = run.streams.get(name)
    if stream is None:
        text = f"collect: stream {name!r} was not declared (declared: {sorted(run.streams)}); send declare_stream first"
        raise IllegalMessageError(text)
    return stream


async def _common_index(execution: Execution, branch: Branch, devices: Sequence[Any]) -> int | None:
    counting = [device for device in devices if hasattr(device, "get_index")]
    if not counting:
        return None
    return min(await execution.values(branch, "get_index", counting))


async def _hand_over(run: OpenRun, streams: list[Stream], device: Any) -> Readings:
    """Emit the readings that a flyer has kept, and give them as it gave them."""
    handed: Readings = []
    if hasattr(device, "collect_pages"):
        async for page in iterated(device.collect_pages()):
            handed.append(page)
            run.events(_stream_of(streams, device, page), _events_of(page))
    elif hasattr(device, "collect"):
        packs: dict[str, tuple[Stream, Readings]] = {}
        async for partial in iterated(device.collect()):
            handed.append(partial)
            stream = _stream_of(streams, device, partial)
            packs.setdefault(stream.name, (stream, []))[1].append(partial)
        for stream, pack in packs.values():
            run.events(stream, pack)
    return handed


def _stream_of(streams: list[Stream], device: Any, readings: Mapping[str, Any]) -> Stream:
    keys = set(cast(Mapping[str, Any], readings["data"]))
    found = [stream for stream in streams if set(stream.event_keys) == keys]
    if not found:
        known = {stream.name: sorted(stream.event_keys) for stream in streams}
        text = f"collect of {name_of(device)}: readings of {sorted(keys)} belong to none of its streams {known}"
        raise CollectError(text)
    return found[0]


def _events_of(page: Mapping[str, Any]) -> Readings:
    """Take a page apart: columns become rows.

    Raises:
        CollectError: Its columns are not of one length.
    """
    data, timestamps = page["data"], page["timestamps"]
    lengths = {len(column) for columns in (data, timestamps) for column in columns.values()}
    if len(lengths) > 1:
        text = f"a page of events has columns of {sorted(lengths)} values; expected one length"
        raise CollectError(text)
    times = page.get("time") or [None] * next(iter(lengths), 0)
    return [
        {
            "data": {key: data[key][row] for key in data},
            "timestamps": {key: timestamps[key][row] for key in timestamps},
            "time": at,
        }
        for row, at in enumerate(times)
    ]
