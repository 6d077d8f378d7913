"""Xspress3-like multi-channel analysers: one spectrum per element, regions of interest and event counters.

For steps: a trigger takes one frame, and an event holds the spectra. Put completion of Acquire is not success: the
frame must be counted by the driver. For flights the same detector is an areaDetector with an HDF5 plug-in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..device import Device, DeviceVector
from ..errors import AcquireError, WaitTimeoutError
from ..readable import ReadableDevice
from ..signal import SignalR
from ..signals import signal_r, signal_rbv, signal_rw
from ..status import Status
from ..verbs import async_verb, status_verb
from .errors import CountInterruptedError

GRACE = 10.0
COUNTED_TIMEOUT = 2.0
AT_ONCE = 0.1
"""Seconds for the counter to be read, where no frame is to be expected any more."""
COUNTERS = (
    "clock_ticks",
    "reset_ticks",
    "reset_count",
    "all_event",
    "all_good",
    "in_window_0",
    "in_window_1",
    "pileup",
    "dead_time_percent",
)
"""What SCA 0 to 8 of an element count."""


class McaRegion(Device):
    """A region of interest of one element."""

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon."""
        self.label = signal_rw(str, f"{prefix}Name")
        self.start = signal_rw(int, f"{prefix}MinX")
        self.size = signal_rw(int, f"{prefix}SizeX")
        self.total = signal_r(float, f"{prefix}Total_RBV")
        super().__init__()


class McaElement(Device):
    """One element: a spectrum, its regions and its counters."""

    def __init__(self, prefix: str, number: int, *, regions: int) -> None:
        """Name the PVs; `prefix` is a URI with the colon."""
        self.spectrum = signal_r(NDArray[np.float64], f"{prefix}MCA{number}:ArrayData")
        self.regions = DeviceVector({k: McaRegion(f"{prefix}MCA{number}ROI:{k}:") for k in range(1, regions + 1)})
        self.counters = DeviceVector(
            {what: signal_r(float, f"{prefix}C{number}SCA:{k}:Value_RBV") for k, what in enumerate(COUNTERS)}
        )
        super().__init__()


class Xspress3(ReadableDevice):
    """A multi-element analyser, taken frame by frame."""

    def __init__(
        self, prefix: str, *, elements: int = 4, regions: int = 4, protocol: str = "ca", name: str = ""
    ) -> None:
        """Name an analyser.

        Args:
            prefix: With the colon, as SIM:XSP3:.
            elements: How many elements it has.
            regions: How many regions of interest of each are read.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.acquire = signal_rw(bool, f"{pv}det1:Acquire")
        self.acquire_time = signal_rbv(float, f"{pv}det1:AcquireTime")
        self.num_images = signal_rbv(int, f"{pv}det1:NumImages")
        self.trigger_mode = signal_rbv(str, f"{pv}det1:TriggerMode")
        self.images_counted = signal_r(int, f"{pv}det1:NumImagesCounter_RBV")
        self.detector_state = signal_r(str, f"{pv}det1:DetectorState_RBV")
        self.elements = DeviceVector({n: McaElement(pv, n, regions=regions) for n in range(1, elements + 1)})
        self.config_signals = (self.acquire_time, self.trigger_mode)
        self.read_signals = [signal for element in self.elements.values() for signal in _signals(element)]
        self.hinted_signals = [each.total for element in self.elements.values() for each in element.regions.values()]
        self._stopped_well: bool | None = None
        super().__init__(name)

    @status_verb
    def prepare(self, value: float) -> Status:
        """Set the seconds that a frame takes."""
        return Status(self.acquire_time.put(value), name=f"{self.name} prepare", owner=self.tasks)

    @status_verb
    def trigger(self) -> Status:
        """Take one frame; done when it is counted.

        Raises:
            AcquireError: Through the Status: it acquires already.
            CountInterruptedError: Through the Status: no frame came of it.
        """
        return Status(self._trigger(), name=f"{self.name} trigger", owner=self.tasks)

    async def _trigger(self) -> None:
        if await self.acquire.get_value():
            msg = f"{self.name}: acquires already, for somebody else; nothing was started"
            raise AcquireError(msg)
        self._begin()
        await self.num_images.put(1)
        seconds = await self.acquire_time.get_value()
        await self.acquire.put(True, wait=True, timeout=seconds + GRACE)
        if self._stopped_well is True:
            return
        try:
            # Counts the images of this acquisition; ArrayCounter goes on, or not, as the driver likes.
            timeout = COUNTED_TIMEOUT if self._stopped_well is None else AT_ONCE
            await self.images_counted.wait_for_value(1, timeout=timeout)
        except WaitTimeoutError as error:
            state = await self.detector_state.get_value()
            msg = f"{self.name}: no frame of {seconds:g} s came (state {state!r}); was it stopped by somebody else?"
            raise CountInterruptedError(msg) from error

    def _begin(self) -> None:
        self._stopped_well = None

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop acquiring: a trigger under way ends well if `success`."""
        self._stopped_well = success
        await self.acquire.put(False, wait=False)


def _signals(element: McaElement) -> Sequence[SignalR[Any]]:
    totals = [region.total for region in element.regions.values()]
    return [element.spectrum, *totals, element.counters["all_event"], element.counters["dead_time_percent"]]
