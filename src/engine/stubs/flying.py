"""Stubs for flyers."""

import uuid
from collections.abc import Hashable, Sequence
from typing import Any

from ..dispatch import dispatch
from ..errors import UnsupportedVerbError
from ..messages import Msg
from ..operation import Operation, name_of
from .control import wait as wait_group


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


async def kickoff_all(
    *args: Any, group: Hashable | None = None, wait: bool = True, **kwargs: Any
) -> tuple[Operation, ...]:
    """Have flyers begin, all at once, and wait until all have; gives an operation for each.

    Raises:
        UnsupportedVerbError: One is no flyer; none is started then.
    """
    return await _all_flown("kickoff", args, group, kwargs, wait=wait)


async def complete_all(
    *args: Any, group: Hashable | None = None, wait: bool = False, **kwargs: Any
) -> tuple[Operation, ...]:
    """Have the group, or with `wait` the plan, wait for flyers to end; gives an operation for each.

    Raises:
        UnsupportedVerbError: One is no flyer.
    """
    return await _all_flown("complete", args, group, kwargs, wait=wait)


async def _all_flown(
    verb: str, flyers: Sequence[Any], group: Hashable | None, kwargs: dict[str, Any], *, wait: bool
) -> tuple[Operation, ...]:
    for flyer in flyers:
        if not (hasattr(flyer, "kickoff") and hasattr(flyer, "complete")):
            msg = f"{verb}_all: {name_of(flyer)} ({type(flyer).__name__}) is no flyer: it lacks kickoff or complete"
            raise UnsupportedVerbError(msg)
    group = group or f"{verb}-{uuid.uuid4().hex[:8]}"
    operations = [await _flown(verb, flyer, (), {"group": group, **kwargs}, wait=False) for flyer in flyers]
    if wait:
        await wait_group(group)
    return tuple(operations)


async def collect(
    obj: Any, *args: Any, stream: bool = False, return_payload: bool = True, name: str | None = None
) -> Any:
    """Emit what flyers and detectors have written since the last time, into stream `name`.

    Gives, unless `return_payload` is False, what a flyer has handed over, or the asset documents that were emitted.
    """
    kwargs = {"stream": stream, "return_payload": return_payload, "name": name}
    return await dispatch(Msg("collect", obj, args, kwargs))


async def collect_while_completing(
    flyers: Sequence[Any],
    dets: Sequence[Any],
    flush_period: float | None = None,
    stream_name: str | None = None,
    watch: Sequence[Hashable] = (),
) -> None:
    """Complete flyers, and collect detectors every `flush_period` seconds meanwhile and once at the end.

    Raises:
        OperationFailedError: A flyer failed, or an operation of a group in `watch`.
    """
    group = f"complete-{uuid.uuid4().hex[:8]}"
    await complete_all(*flyers, group=group)
    done = False
    while not done:
        done = await wait_group(group, timeout=flush_period, error_on_timeout=False, watch=watch)
        await collect(*dets, name=stream_name)
