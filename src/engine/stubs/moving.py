"""Stubs that move devices."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from ..dispatch import dispatch
from ..kinship import merged
from ..messages import Msg
from ..operation import Operation, name_of
from ..whereabouts import setpoint_of


async def abs_set(obj: Any, *args: Any, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Send a device somewhere; gives an operation to await, unless `wait` does that already."""
    operation: Operation = await dispatch(Msg("set", obj, args, {"group": group, **kwargs}))
    if wait:
        await operation
    return operation


async def rel_set(obj: Any, *args: Any, group: Hashable | None = None, wait: bool = False, **kwargs: Any) -> Operation:
    """Send a device away from where it was last sent, by the first of `args`; see `abs_set`."""
    if not args:
        msg = f"rel_set of {name_of(obj)} needs the distance to go"
        raise ValueError(msg)
    target = await setpoint_of(obj) + args[0]
    return await abs_set(obj, target, *args[1:], group=group, wait=wait, **kwargs)


async def mv(
    *args: Any, group: Hashable | None = None, timeout: float | None = None, **kwargs: Any
) -> tuple[Operation, ...]:
    """Move devices at once, `mv(motor1, position1, motor2, position2, ...)`, and wait until all are there.

    Raises:
        OperationFailedError: One failed to get there; the others go on until the plan ends.
        OperationTimeoutError: It took longer than `timeout` seconds.
    """
    targets = merged(_pairs("mv", args))
    group = group or _Moves(targets)
    operations = [await abs_set(obj, value, group=group, **kwargs) for obj, value in targets.items()]
    await dispatch(Msg("wait", None, (), {"group": group, "timeout": timeout}))
    return tuple(operations)


async def mvr(
    *args: Any, group: Hashable | None = None, timeout: float | None = None, **kwargs: Any
) -> tuple[Operation, ...]:
    """Move devices at once, each by a distance from where it was last sent; see `mv`.

    All are located before the first one moves.
    """
    targets = [(obj, await setpoint_of(obj) + distance) for obj, distance in _pairs("mvr", args).items()]
    return await mv(*(item for pair in targets for item in pair), group=group, timeout=timeout, **kwargs)


class _Moves:
    """The wait group of one `mv`: itself and no other."""

    def __init__(self, devices: Iterable[Any]) -> None:
        self._devices = devices

    def __repr__(self) -> str:
        return f"mv({', '.join(map(name_of, self._devices))})"


mov = mv
movr = mvr


def _pairs(stub: str, args: tuple[Any, ...]) -> Mapping[Any, Any]:
    if len(args) % 2 or not args:
        msg = f"{stub} needs pairs of device and position, seen {len(args)} arguments: {args!r}"
        raise ValueError(msg)
    pairs = dict(zip(args[::2], args[1::2], strict=True))
    if len(pairs) < len(args) // 2:
        msg = f"{stub} names a device twice: {[name_of(obj) for obj in args[::2]]}; give each one position"
        raise ValueError(msg)
    return pairs


async def stop(obj: Any) -> None:
    """Stop a device."""
    await dispatch(Msg("stop", obj))


async def locate(*objs: Any, squeeze: bool = True) -> Any:
    """Ask devices, at once, where they were sent and where they are; of one device, its Location itself."""
    return await dispatch(Msg("locate", objs[0], objs[1:], {"squeeze": squeeze}))
