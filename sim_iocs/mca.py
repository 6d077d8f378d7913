"""A multi-channel analyser in the manner of Xspress3: spectra of several elements, one frame per trigger or period.

Theory of operation. A frame is an interval of time: internal frames follow each other without a gap, external ones
begin with a rising edge at the input; an edge during a frame is missed. What a frame holds is a function of its number
and the beam in its interval (`Spectra`), so it does not depend on when it was asked for: the PVs show the newest frame
at 10 Hz, the HDF5 plugin writes every one. Dead time follows from the photon rate and is told by the scalers, of which
there are nine per element.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .hdf_plugin import HdfPlugin
from .ndarray import NO_YES, add_ndarray_pvs, post_layout
from .point_settings import McaSettings
from .pv import Kind
from .pv_group import PVGroup
from .shots import Shots
from .spectra import CHANNELS, LINES, Spectra
from .world import World

STATES = (
    *("Idle", "Acquire", "Readout", "Correct", "Saving", "Aborting", "Error", "Waiting", "Initializing"),
    *("Disconnected", "Aborted"),
)
TRIGGER_MODES = ("Software", "Internal", "IDC", "TTL Veto Only", "TTL Both", "LVDS Veto Only", "LVDS Both")
SCALERS = 9
POST_NS = NS // 10
CLOCK_HZ = 8e7
PHOTONS_PER_RESET, RESET_TICKS = 5000, 200
WINDOWS = ((600, 80), (1000, 120))
REGIONS = ("Fe", "Cu", "As", "scatter")


class Frame(NamedTuple):
    """One exposure: its number from 1, the trigger's number, and its interval."""

    number: int
    trigger: int
    start_ns: int
    stop_ns: int


class Mca:
    """A multi-channel analyser with its HDF5 plugin.

    Args:
        prefix: PV prefix, as SIM:XSP3:.
        settings: Elements, channels, rate, trigger wiring.
        world: Clock, beam and seed.
    """

    def __init__(self, prefix: str, settings: McaSettings, *, world: World) -> None:
        self.settings, self._world = settings, world
        self.pvs, self._driver = PVGroup(prefix), PVGroup(prefix + "det1:")
        self._acquiring = False
        self._next_ns = self._busy_until_ns = self._posted_ns = 0
        self._pending: deque[Frame] = deque()
        self._triggers = self._frames = self._exposed = self._missed = 0
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._add_driver_pvs()
        for element in range(1, settings.elements + 1):
            self._add_element_pvs(element)
        self.hdf = HdfPlugin(prefix + "HDF1:", scene=self.spectra, source="XSP3")
        self._post_layout()

    @property
    def busy(self) -> bool:
        """Whether it acquires, or frames wait to be written."""
        return self._acquiring or self.hdf.busy

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs and its plugin's."""
        return (self.pvs, self._driver, self.hdf.pvs)

    async def run(self) -> None:
        """Write files until cancelled."""
        await self.hdf.run()

    def spectra(self) -> Spectra:
        """What its frames look like now."""
        s = self.settings
        return Spectra(
            seed=self._world.seed,
            elements=s.elements,
            channels=s.channels,
            rate=s.rate,
            dead_time=s.dead_time,
            exposure=self._exposure_ns() / NS,
        )

    def trigger(self, times_ns: Any) -> None:
        """Take rising edges at the trigger input, in the order of their times."""
        if not self._acquiring or self._driver["TriggerMode"].label != "TTL Both":
            return
        for t_ns in np.asarray(times_ns, np.int64).tolist():
            if self._enough or t_ns < self._next_ns:
                continue
            self._triggers += 1
            if t_ns < self._busy_until_ns:
                self._missed += 1
            else:
                self._expose(t_ns)

    def update(self, now_ns: int) -> None:
        """Read out what has been exposed until now, post at 10 Hz, end a complete acquisition."""
        if self._acquiring:
            self._make_triggers(now_ns)
            done: list[Frame] = []
            while self._pending and self._pending[0].stop_ns <= now_ns:
                done.append(self._pending.popleft())
            complete = self._enough and not self._pending
            self._read_out(done, now_ns, complete=complete)
            if complete:
                self._stop()
        self.hdf.update(now_ns)

    def _make_triggers(self, now_ns: int) -> None:
        while self._driver["TriggerMode"].label == "Internal" and not self._enough and self._next_ns <= now_ns:
            self._triggers += 1
            self._expose(self._next_ns)
            self._next_ns = self._busy_until_ns

    def _expose(self, t_ns: int) -> None:
        self._exposed += 1
        self._busy_until_ns = t_ns + self._exposure_ns()
        self._pending.append(Frame(self._exposed, self._triggers, t_ns, self._busy_until_ns))

    def _exposure_ns(self) -> int:
        return max(round(float(self._driver["AcquireTime"].value) * NS), 1000)

    @property
    def _enough(self) -> bool:
        modes = {"Single": 1, "Multiple": int(self._driver["NumImages"].value)}
        return self._exposed >= modes.get(self._driver["ImageMode"].label, self._exposed + 1)

    def _read_out(self, frames: list[Frame], now_ns: int, *, complete: bool) -> None:
        if not frames:
            return
        self._frames += len(frames)
        shots = self._shots(frames)
        if self._driver["ArrayCallbacks"].value:
            self.hdf.accept(self.spectra(), shots)
        if complete or now_ns - self._posted_ns >= POST_NS:
            self._posted_ns = now_ns
            self._post_counters()
            self._post_frame(frames[-1], light=float(shots.light[-1]))

    def _shots(self, frames: list[Frame]) -> Shots:
        numbers, _, starts, stops = (np.array(column, np.int64) for column in zip(*frames, strict=True))
        nowhere = np.zeros(len(frames))
        return Shots(
            trigger=numbers,
            unique_id=numbers,
            stamp_ns=starts,
            arrival_ns=stops,
            x=nowhere,
            y=nowhere,
            light=self._world.intensity(starts, stops),
            attributes={},
        )

    def _post_frame(self, frame: Frame, *, light: float) -> None:
        spectra = self.spectra()
        rows = spectra.painter()(0.0, 0.0, frame.number, light)
        for element, spectrum in enumerate(rows, start=1):
            self.pvs[f"MCA{element}:ArrayData"].post(spectrum)
            for region in range(1, len(REGIONS) + 1):
                self._post_region(element, region, spectrum)
            scalers = _scalers(spectrum, seconds=spectra.exposure, alive=spectra.alive(light))
            for number, value in enumerate(scalers):
                self.pvs[f"C{element}SCA:{number}:Value_RBV"].post(value)

    def _post_region(self, element: int, region: int, spectrum: NDArray[np.generic]) -> None:
        name = f"MCA{element}ROI:{region}:"
        low, size = int(self.pvs[name + "MinX"].value), int(self.pvs[name + "SizeX"].value)
        self.pvs[name + "Total_RBV"].post(int(spectrum[low : low + size].sum()))

    def _post_counters(self) -> None:
        for suffix in ("ArrayCounter_RBV", "ArrayCounter", "NumImagesCounter_RBV"):
            self._driver[suffix].post_change(self._frames)
        self._driver["MissedTriggers_RBV"].post_change(self._missed)

    def _post_layout(self) -> None:
        spectra = self.spectra()
        post_layout(self._driver, spectra.frame_shape, spectra.frame_dtype)

    def _stop(self) -> None:
        self._acquiring = False
        # What is cut off gives no frame: its trigger was missed.
        self._missed += len(self._pending)
        self._pending.clear()
        self._post_counters()
        self._driver["DetectorState_RBV"].post("Idle")
        self._driver["Acquire_RBV"].post(0)
        self._driver["Acquire"].post(0)
        self._stopped.set()

    async def _put_acquire(self, value: int) -> None:
        now_ns = self._world.settle()
        self.update(now_ns)
        if value and not self._acquiring:
            self._start(now_ns)
        elif not value and self._acquiring:
            self._stop()
        if value:
            await self._stopped.wait()
            if self._driver["WaitForPlugins"].value:
                await self.hdf.drained()

    def _start(self, now_ns: int) -> None:
        self._acquiring = True
        self._stopped.clear()
        self._triggers = self._frames = self._exposed = self._missed = 0
        self._next_ns = self._busy_until_ns = now_ns
        self._post_counters()
        self._driver["DetectorState_RBV"].post("Acquire")
        self._driver["Acquire_RBV"].post(1)
        self._driver["Acquire"].post(1)

    def _add_driver_pvs(self) -> None:
        pvs, settings = self._driver, self.settings
        add_ndarray_pvs(pvs, "XSP3", dtype="UInt32")
        pvs.enum("Acquire", ("Done", "Acquire"), handler=self._put_acquire)
        pvs.enum("Acquire_RBV", ("Done", "Acquiring"), read_only=True)
        for suffix in ("AcquireTime", "AcquirePeriod"):
            pvs.pair(suffix, Kind.FLOAT, 0.1, units="s", precision=6)
        pvs.pair("NumImages", Kind.INT, 1)
        pvs.pair("ImageMode", Kind.ENUM, 1, choices=("Single", "Multiple", "Continuous"))
        pvs.pair("TriggerMode", Kind.ENUM, 1, choices=TRIGGER_MODES)
        pvs.pair("ArrayCallbacks", Kind.ENUM, 1, choices=("Disable", "Enable"))
        pvs.enum("WaitForPlugins", NO_YES)
        pvs.enum("DetectorState_RBV", STATES, read_only=True)
        pvs.enum("CONNECTED", NO_YES, value=1, read_only=True)
        for suffix in ("NumImagesCounter_RBV", "MissedTriggers_RBV"):
            pvs.add(suffix, Kind.INT, 0, read_only=True)
        for suffix, value in (("X", settings.channels), ("Y", settings.elements)):
            pvs.add(f"MaxSize{suffix}_RBV", Kind.INT, value, read_only=True)
        pvs.add("NUM_CHANNELS_RBV", Kind.INT, settings.elements, read_only=True)
        pvs.add("Manufacturer_RBV", Kind.STRING, "Wingbeat", read_only=True)
        pvs.add("Model_RBV", Kind.STRING, "simulated analyser", read_only=True)

    def _add_element_pvs(self, element: int) -> None:
        pvs, channels = self.pvs, self.settings.channels
        pvs.add(f"MCA{element}:ArrayData", Kind.FLOATS, np.zeros(channels), read_only=True, length=channels)
        for region, (name, (centre, _)) in enumerate(zip(REGIONS, LINES, strict=True), start=1):
            root = f"MCA{element}ROI:{region}:"
            edges = {"MinX": round((centre - 60) * channels / CHANNELS), "SizeX": round(120 * channels / CHANNELS)}
            for suffix, channel in edges.items():
                pvs.add(root + suffix, Kind.INT, channel, handler=partial(self._put_edge, root + suffix))
            pvs.add(root + "Name", Kind.STRING, name)
            pvs.add(root + "Total_RBV", Kind.FLOAT, 0.0, read_only=True)
        for number in range(SCALERS):
            pvs.add(f"C{element}SCA:{number}:Value_RBV", Kind.FLOAT, 0.0, read_only=True, precision=3)

    async def _put_edge(self, name: str, channel: int) -> None:
        self.pvs[name].post(min(max(channel, 0), self.settings.channels))


def _scalers(spectrum: NDArray[np.generic], *, seconds: float, alive: float) -> list[float]:
    """Give what an element counts beside its spectrum: ticks, resets, events, windows, pile-up, dead time in %."""
    good = int(spectrum.sum())
    resets, every = good // PHOTONS_PER_RESET, round(good / alive)
    windows = [int(spectrum[low : low + size].sum()) for low, size in WINDOWS]
    ticks = round(seconds * CLOCK_HZ)
    return [ticks, resets * RESET_TICKS, resets, every, good, *windows, every - good, 100 * (1 - alive)]
