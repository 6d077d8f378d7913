"""The circular buffer (CB1:): keeps frames, and passes some from before and after a trigger on.

Theory of operation.

    Done → (Capture = 1) → Buffering → (trigger) → Flushing, PreCount + PostCount frames → Buffering ... → Done

A software trigger takes effect with the next frame, or at once for the frames already kept (FlushOnSoftTrg). After
PresetTriggerCount triggers (0 = any number) the capture ends, and the put on Capture = 1 completes.
"""

import asyncio

from .nd_plugin import NDPlugin
from .ndarray import Ports
from .pv import Kind
from .scenery import Scenery
from .shots import Shots

IDLE, BUFFERING, FLUSHING = "Idle", "Buffer filling", "Flushing"


class CircularBuffer(NDPlugin):
    """Passes on what was and what comes around a trigger.

    Args:
        prefix: PV prefix, as SIM:CAM:CB1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginCircularBuff", port=port, source=source, ports=ports)
        self._kept: Shots | None = None
        self._scenery: Scenery | None = None
        self._triggered, self._left, self._triggers = False, 0, 0
        self._done = asyncio.Event()
        self._add_pvs()

    @property
    def capturing(self) -> bool:
        """Whether frames are kept."""
        return bool(self.pvs["Capture_RBV"].value)

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Keep frames, or pass them on after a trigger."""
        del tag
        if not self.capturing:
            return
        if self._triggered and not self._left:
            self._begin_flush()
        while shots.size and self._left:
            passed, shots = shots.rows(slice(self._left)), shots.rows(slice(self._left, None))
            self.publish(scenery, passed)
            self._left -= passed.size
            if not self._left:
                self._end_flush()
        if shots.size and self.capturing:
            self._keep(scenery, shots)

    def _keep(self, scenery: Scenery, shots: Shots) -> None:
        count = int(self.pvs["PreCount"].value)
        if scenery != self._scenery or self._kept is None:
            self._scenery, self._kept = scenery, shots
        else:
            self._kept = Shots.joined([self._kept, shots])
        self._kept = self._kept.rows(slice(max(self._kept.size - count, 0), None))
        self.pvs["CurrentQty_RBV"].post_change(self._kept.size)

    def _begin_flush(self) -> None:
        self._triggered = False
        self._left = int(self.pvs["PostCount"].value)
        self._triggers += 1
        self.pvs["StatusMessage"].post(FLUSHING)
        if self._kept is not None and self._scenery is not None and self._kept.size:
            kept, self._kept = self._kept, None
            self.publish(self._scenery, kept)
        self.pvs["CurrentQty_RBV"].post_change(0)
        if not self._left:
            self._end_flush()

    def _end_flush(self) -> None:
        self.pvs["TriggerCount_RBV"].post(self._triggers)
        self.pvs["Trigger"].post(0)
        self.pvs["Trigger_RBV"].post(0)
        self.pvs["StatusMessage"].post(BUFFERING)
        if 0 < int(self.pvs["PresetTriggerCount"].value) <= self._triggers:
            self._stop()

    def _stop(self) -> None:
        self._kept, self._triggered, self._left = None, False, 0
        self.pvs["StatusMessage"].post(IDLE)
        for suffix in ("Capture_RBV", "Capture"):
            self.pvs[suffix].post(0)
        self._done.set()

    async def _put_capture(self, value: int) -> None:
        if not value:
            self._stop()
            return
        if not self.capturing:
            self._done.clear()
            self._triggers = 0
            self.pvs["TriggerCount_RBV"].post(0)
            self.pvs["StatusMessage"].post(BUFFERING)
            for suffix in ("Capture_RBV", "Capture"):
                self.pvs[suffix].post(1)
        await self._done.wait()

    async def _put_trigger(self, value: int) -> None:
        for suffix in ("Trigger", "Trigger_RBV"):
            self.pvs[suffix].post(value)
        self._triggered = bool(value) and self.capturing
        if self._triggered and not self._left and self.pvs["FlushOnSoftTrg"].label == "Immediately":
            self._begin_flush()

    def _add_pvs(self) -> None:
        pvs = self.pvs
        for suffix, value in (("PreCount", 0), ("PostCount", 100), ("PresetTriggerCount", 0)):
            pvs.pair(suffix, Kind.INT, value)
        pvs.enum("Capture", ("Done", "Capture"), handler=self._put_capture)
        pvs.enum("Capture_RBV", ("Done", "Capturing"), read_only=True)
        pvs.enum("Trigger", ("Done", "Trigger"), handler=self._put_trigger)
        pvs.enum("Trigger_RBV", ("Done", "Trigger"), read_only=True)
        pvs.pair("FlushOnSoftTrg", Kind.ENUM, 0, choices=("OnNewImage", "Immediately"))
        pvs.add("CurrentQty_RBV", Kind.INT, 0, read_only=True)
        pvs.add("TriggerCount_RBV", Kind.INT, 0, read_only=True)
        pvs.text("StatusMessage", IDLE, read_only=True)
