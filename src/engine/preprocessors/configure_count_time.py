"""One count time for all detectors of a plan."""

import asyncio
from typing import Any

from ..dispatch import Call
from ..messages import MsgLike
from ..scope import using
from ..stubs import mv, rd
from .decorator import decorator_of
from .wrapped import Inner, Wrapped


class ConfigureCountTime:
    """Middleware that sets the `count_time` of every device that has one, when it is first used.

    Attributes:
        before: What each was set to before.
    """

    def __init__(self, time: float) -> None:
        self.before: dict[Any, Any] = {}
        self._time = time
        self._seen: set[Any] = set()
        self._lock = asyncio.Lock()

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on, when its devices count for that long."""
        used = msg.args[0] if msg.command == "trigger_and_read" else [msg.obj]
        if any(self._is_new(device) for device in used):
            async with self._lock:
                for device in filter(self._is_new, used):
                    self._seen.add(device)
                    self.before[device] = await _value(device.count_time)
                    await mv(device.count_time, self._time)
        return await call(msg)

    def _is_new(self, device: Any) -> bool:
        return device is not None and device not in self._seen and hasattr(device, "count_time")


async def _value(signal: Any) -> Any:
    """Give the value of a signal: an ophyd one is asked at once, any other is located or read."""
    return signal.get() if hasattr(signal, "get") and not hasattr(signal, "locate") else await rd(signal)


def configure_count_time_wrapper(plan: Any, time: float | None) -> Wrapped:
    """Have every device that has a `count_time` count `time` seconds, and restore it at the end; None changes none."""

    async def around(inner: Inner) -> Any:
        if time is None:
            return await inner()
        layer = ConfigureCountTime(time)
        try:
            async with using(layer):
                return await inner()
        finally:
            for device, before in layer.before.items():
                await mv(device.count_time, before)

    return Wrapped(plan, around)


configure_count_time_decorator = decorator_of(configure_count_time_wrapper)
