"""What every areaDetector plugin has: an input, a queue, counters, an output.

Theory of operation. `accept` is called with the arrays of the port that NDArrayPort names; those that do not find the
queue full wait there as long as the plugin is modelled to take for each (SimProcessingTime, SimRate). `update` gives
what is done by now to `process`, which a kind of plugin defines, and passes it on to the plugins behind.
"""

import asyncio
from typing import Any

import numpy as np

from .clock import NS
from .hdf_file import EPICS_EPOCH
from .nd_queue import PluginQueue
from .ndarray import DISABLE_ENABLE, NO_YES, Ports, add_attributes_pvs, add_ndarray_pvs, post_layout
from .pv import Kind
from .pv_group import PVGroup
from .scenery import Scenery
from .shots import Shots

MB = 1e6


class NDPlugin:
    """A plugin.

    Args:
        prefix: PV prefix, as SIM:CAM:STAT1:.
        kind: PluginType, as NDPluginStats.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    attributes_nbytes = 256

    def __init__(self, prefix: str, *, kind: str, port: str, source: str, ports: Ports) -> None:
        self.pvs, self.port, self._ports = PVGroup(prefix), port, ports
        self.queue = PluginQueue(20)
        self._tag = 0
        self._last_ns: int | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        add_ndarray_pvs(self.pvs, port, dtype="Int8")
        add_attributes_pvs(self.pvs, length=self.attributes_nbytes)
        self._add_plugin_pvs(kind, source)
        ports.connect(self)

    @property
    def input_port(self) -> str:
        """The port that it listens to."""
        return str(self.pvs["NDArrayPort"].value)

    @property
    def enabled(self) -> bool:
        """Whether arrays are taken."""
        return bool(self.pvs["EnableCallbacks"].value)

    @property
    def busy(self) -> bool:
        """Whether arrays wait."""
        return len(self.queue) > 0

    def blocking_ns(self, nbytes: int) -> int:
        """How long the driver is held up by an array of so many bytes: with BlockingCallbacks it waits for us."""
        if not (self.enabled and self.pvs["BlockingCallbacks"].value):
            return 0
        return self.queue.cost_ns(nbytes)

    def accept(self, scenery: Scenery, shots: Shots) -> None:
        """Queue arrays, or drop and count them when the queue is full; a disabled plugin takes none."""
        if not self.enabled:
            return
        shots = self._not_too_soon(shots)
        if shots.size:
            self._idle.clear()
            blocking = bool(self.pvs["BlockingCallbacks"].value)
            self.drop(self.queue.offer(scenery, shots, tag=self._tag, bounded=not blocking))

    def _not_too_soon(self, shots: Shots) -> Shots:
        least_ns = round(self.pvs["MinCallbackTime"].value * NS)
        if least_ns <= 0:
            return shots
        kept = np.zeros(shots.size, dtype=bool)
        for k, t_ns in enumerate(shots.arrival_ns.tolist()):
            if self._last_ns is None or t_ns - self._last_ns >= least_ns:
                kept[k], self._last_ns = True, t_ns
        return shots.rows(kept)

    def drop(self, count: int) -> None:
        """Count arrays that were dropped in the queue."""
        if count > 0:
            self.count("DroppedArrays", count)

    def count(self, suffix: str, count: int) -> None:
        """Add to a counter and its read-back."""
        total = int(self.pvs[suffix + "_RBV"].value) + count
        self.pvs[suffix + "_RBV"].post(total)
        self.pvs[suffix].post(total)

    def update(self, now_ns: int) -> bool:
        """Deal with what is due, and tell whether there was anything."""
        batches = self.queue.take(now_ns)
        for batch in batches:
            self._show(batch.scenery, batch.shots)
            self.process(batch.scenery, batch.shots, batch.tag)
        self._post_queue()
        return bool(batches)

    def _post_queue(self) -> None:
        size = self.queue.size
        self.pvs["QueueFree"].post_change(size - min(self.waiting, size))
        if not self.busy:
            self._idle.set()

    @property
    def waiting(self) -> int:
        """Arrays that are queued or in work."""
        return len(self.queue)

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Do what this kind of plugin does; by default pass the arrays on.

        Args:
            scenery: What they look like.
            shots: The arrays, in order.
            tag: What `_tag` was when they arrived.
        """
        del tag
        self.publish(scenery, shots)

    def publish(self, scenery: Scenery, shots: Shots) -> None:
        """Pass arrays on to the plugins behind."""
        if self.pvs["ArrayCallbacks"].value:
            self._ports.publish(self.port, scenery=scenery, shots=shots)

    async def drained(self) -> None:
        """Wait until everything accepted so far has been dealt with."""
        await self._idle.wait()

    def _show(self, scenery: Scenery, shots: Shots) -> None:
        post_layout(self.pvs, scenery.frame_shape, scenery.frame_dtype)
        seconds, nanoseconds = divmod(int(shots.stamp_ns[-1]) - EPICS_EPOCH * NS, NS)
        self.pvs["UniqueId_RBV"].post(int(shots.unique_id[-1]))
        self.pvs["EpicsTSSec_RBV"].post(seconds)
        self.pvs["EpicsTSNsec_RBV"].post(nanoseconds)
        self.pvs["TimeStamp_RBV"].post(seconds + nanoseconds / NS)
        self.count("ArrayCounter", shots.size)

    def _resize_queue(self) -> None:
        self.queue.size = max(int(self.pvs["QueueSize"].value), 1)
        self._post_queue()

    def set_speed(self) -> None:
        """Take over what SimRate and SimProcessingTime say."""
        self.queue.rate = self.pvs["SimRate"].value * MB
        self.queue.seconds = self.pvs["SimProcessingTime"].value

    def _add_plugin_pvs(self, kind: str, source: str) -> None:
        pvs = self.pvs
        seconds: dict[str, Any] = {"units": "s", "precision": 6}
        pvs.add("PluginType_RBV", Kind.STRING, kind, read_only=True)
        pvs.pair("NDArrayPort", Kind.STRING, source)
        pvs.pair("NDArrayAddress", Kind.INT, 0)
        pvs.pair("EnableCallbacks", Kind.ENUM, 0, choices=DISABLE_ENABLE)
        pvs.pair("BlockingCallbacks", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("ArrayCallbacks", Kind.ENUM, 1, choices=DISABLE_ENABLE)
        pvs.pair("MinCallbackTime", Kind.FLOAT, 0.0, **seconds)
        pvs.pair("QueueSize", Kind.INT, self.queue.size, after=self._resize_queue)
        pvs.add("QueueFree", Kind.INT, self.queue.size, read_only=True)
        pvs.pair("DroppedArrays", Kind.INT, 0)
        pvs.add("MaxThreads_RBV", Kind.INT, 1, read_only=True)
        pvs.pair("NumThreads", Kind.INT, 1)
        pvs.pair("SimProcessingTime", Kind.FLOAT, 0.0, after=self.set_speed, **seconds)
        pvs.pair("SimRate", Kind.FLOAT, 0.0, after=self.set_speed, units="MB/s", precision=1)
