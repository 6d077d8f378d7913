"""The picture as it is now: NTNDArrays of a PVA plug-in, newest first, for looking at.

Between the plug-in and whoever looks is room for one frame: a newer one takes its place, counted. So a slow display
shows the newest frame and never lags, and never slows anybody. Servers drop updates as well, uncounted: what must not
be missed is in the file.
"""

from dataclasses import replace
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from ..errors import ServedChangedError
from ..observation import Observation, ObservationStatistics
from ..protocols import Reading
from ..signal import SignalR

CAPACITY = 1


class LiveFrame(NamedTuple):
    """One picture.

    Attributes:
        pixels: In the order of the file: (y, x), or with a dimension of 3 for colours.
        time: Unix seconds, as the IOC stamped it.
        stamp: The same as (seconds, nanoseconds); None if it has none.
    """

    pixels: NDArray[Any]
    time: float
    stamp: tuple[int, int] | None


class LiveImage:
    """An endless async iterator over pictures, subscribed within `async with`.

    Before its first frame an IOC serves an empty picture of no type, and after a change of the camera one of another:
    the subscription is then made again.
    """

    def __init__(self, uri: str, *, name: str) -> None:
        """Name the PV, as pva://SIM:CAM:Pva1:Image; nothing happens before `async with`."""
        self._uri, self._name = uri, name
        self._signal = self._new_signal()
        self._readings: Observation[Reading[Any]] | None = None
        self._before = ObservationStatistics(
            source=uri, received=0, delivered=0, conflated=0, pending=0, capacity=CAPACITY
        )

    async def __aenter__(self) -> Self:
        await self._subscribe()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._signal.disconnect()

    def _new_signal(self) -> SignalR[Any]:
        return SignalR[Any](None, read=self._uri, name=self._name)

    async def _subscribe(self) -> None:
        self._before = self.statistics()
        await self._signal.disconnect()
        self._signal = self._new_signal()  # one that remembers no type
        await self._signal.connect()
        self._readings = self._signal.observe_readings(capacity=CAPACITY)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveFrame:
        while self._readings is not None:
            try:
                reading = await anext(self._readings)
            except ServedChangedError:
                await self._subscribe()
                continue
            pixels = reading["value"]
            if getattr(pixels, "ndim", 0) >= 2:  # an empty one is not a picture
                return LiveFrame(pixels, reading["timestamp"], reading.get("stamp"))
        raise StopAsyncIteration

    def statistics(self) -> ObservationStatistics:
        """Pictures that came, were looked at, and gave way to a newer one."""
        before = self._before
        if self._readings is None:
            return before
        now = self._readings.statistics()
        return replace(
            now,
            received=before.received + now.received,
            delivered=before.delivered + now.delivered,
            conflated=before.conflated + now.conflated,
        )
