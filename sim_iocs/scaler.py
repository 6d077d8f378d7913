"""A scaler record: counts for a preset time, or until a channel has its preset.

Theory of operation. Counting has a begin; the counts until an instant are its rate times the light since then, with
noise as of counting statistics, fixed for each channel and count, so that they only grow. The end is computed when
counting begins: the preset time, or the first instant at which a gated channel has reached its preset. The put on CNT
is complete at the end or when CNT = 0 is put. With CONT = AutoCount counting begins again by itself, for TP1 seconds.
"""

import asyncio
from collections.abc import Iterable
from functools import partial

import numpy as np

from .clock import NS
from .noise import noise
from .point_settings import ScalerSettings
from .pv import Kind
from .pv_group import PVGroup
from .world import World

CHANNELS = 8
POST_NS = NS // 10
MOST_COUNTS = 2**31 - 1


class Scaler:
    """A scaler record.

    Args:
        name: PV name of the record.
        settings: Names, rates, clock.
        world: Clock, beam and seed.
    """

    def __init__(self, name: str, settings: ScalerSettings, *, world: World) -> None:
        self._settings, self._world = settings, world
        self._start_ns = self._stop_ns = 0
        self._counting = self._automatic = False
        self._posted_ns = 0
        self._done = asyncio.Event()
        self._done.set()
        self.pvs = PVGroup(name)
        self._add_fields()

    @property
    def busy(self) -> bool:
        """Whether it counts."""
        return self._counting

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    def counts(self, channel: int, t_ns: int) -> int:
        """Counts of a channel (1 to 8) from the begin of counting until an instant."""
        duration = (t_ns - self._start_ns) / NS
        if duration <= 0:
            return 0
        if channel == 1:
            return min(int(duration * self._settings.frequency), MOST_COUNTS)
        rates = self._settings.rates
        rate = rates[channel - 1] if channel <= len(rates) else 0.0
        light = float(self._world.intensity(np.array([self._start_ns]), np.array([t_ns]))[0])
        expected = rate * light * duration
        spread = float(noise(np.array([self._start_ns]), seed=self._world.seed + channel)[0])
        return min(max(round(expected + spread * expected**0.5), 0), MOST_COUNTS)

    def update(self, now_ns: int) -> None:
        """Post at 10 Hz while it counts, and end."""
        if not self._counting:
            return
        if now_ns >= self._stop_ns:
            self._finish(self._stop_ns)
        elif now_ns - self._posted_ns >= POST_NS:
            self._posted_ns = now_ns
            self._post(now_ns)

    def _finish(self, t_ns: int) -> None:
        self._counting = False
        self._post(t_ns)
        self.pvs[".VAL"].post((t_ns - self._start_ns) / NS)
        self.pvs[""].post((t_ns - self._start_ns) / NS)
        if not self._automatic:
            self.pvs[".CNT"].post(0)
        self._done.set()
        if self.pvs[".CONT"].value:
            self._begin(t_ns, seconds=float(self.pvs[".TP1"].value), automatic=True)

    def _post(self, t_ns: int) -> None:
        self.pvs[".T"].post((t_ns - self._start_ns) / NS)
        for channel in range(1, CHANNELS + 1):
            self.pvs[f".S{channel}"].post(self.counts(channel, t_ns))

    def _begin(self, now_ns: int, *, seconds: float, automatic: bool) -> None:
        self._start_ns, self._automatic = now_ns, automatic
        self._stop_ns = now_ns + max(round(seconds * NS), 1)
        self._counting = True
        if not automatic:
            self._done.clear()
            self._stop_ns = min([self._stop_ns, *map(self._preset_ns, range(2, CHANNELS + 1))])
        self._post(now_ns)
        self._world.awake.set()

    def _preset_ns(self, channel: int) -> int:
        """Give when a gated channel has its preset; the end by time if it is not gated, or later."""
        preset = int(self.pvs[f".PR{channel}"].value)
        before, after = self._start_ns, self._stop_ns
        if not self.pvs[f".G{channel}"].value or preset <= 0 or self.counts(channel, after) < preset:
            return after
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if self.counts(channel, middle) >= preset else (middle, after)
        return after

    async def _put_count(self, index: int) -> None:
        now_ns = self._world.settle()
        self.update(now_ns)
        if not index:
            if self._counting and not self._automatic:
                self._finish(now_ns)
            self.pvs[".CNT"].post(0)
            return
        self.pvs[".CNT"].post(1)
        if not self._counting or self._automatic:
            self._begin(now_ns, seconds=float(self.pvs[".TP"].value), automatic=False)
        await self._done.wait()

    async def _put_auto(self, index: int) -> None:
        self.pvs[".CONT"].post(index)
        now_ns = self._world.settle()
        if index and not self._counting:
            self._begin(now_ns, seconds=float(self.pvs[".TP1"].value), automatic=True)
        elif not index and self._counting and self._automatic:
            self._finish(now_ns)

    async def _put_preset_time(self, seconds: float) -> None:
        self.pvs[".TP"].post(max(seconds, 0.0))
        self.pvs[".PR1"].post(min(round(max(seconds, 0.0) * self._settings.frequency), MOST_COUNTS))
        self.pvs[".G1"].post(1)

    async def _put_preset(self, channel: int, counts: int) -> None:
        self.pvs[f".PR{channel}"].post(counts)
        if channel == 1:
            self.pvs[".TP"].post(counts / self._settings.frequency)
        else:
            self.pvs[f".G{channel}"].post(int(counts > 0))

    def _add_fields(self) -> None:
        pvs, frequency = self.pvs, self._settings.frequency
        for suffix in ("", ".VAL"):
            pvs.add(suffix, Kind.FLOAT, 0.0, read_only=True, precision=3)
        pvs.enum(".CNT", ("Done", "Count"), handler=self._put_count)
        pvs.enum(".CONT", ("OneShot", "AutoCount"), handler=self._put_auto)
        pvs.add(".TP", Kind.FLOAT, 1.0, handler=self._put_preset_time, units="s", precision=3)
        pvs.add(".TP1", Kind.FLOAT, 1.0, units="s", precision=3)
        pvs.add(".T", Kind.FLOAT, 0.0, read_only=True, units="s", precision=3)
        pvs.add(".FREQ", Kind.FLOAT, frequency, read_only=True, units="Hz")
        pvs.add(".NCH", Kind.SHORT, CHANNELS, read_only=True)
        pvs.add(".RTYP", Kind.STRING, "scaler", read_only=True)
        pvs.add(".EGU", Kind.STRING, "counts")
        pvs.add(".PREC", Kind.SHORT, 3)
        names = (*self._settings.names, *[""] * CHANNELS)
        for channel in range(1, CHANNELS + 1):
            pvs.add(f".S{channel}", Kind.INT, 0, read_only=True)
            pvs.add(f".NM{channel}", Kind.STRING, names[channel - 1])
            preset = round(frequency) if channel == 1 else 0
            pvs.add(f".PR{channel}", Kind.INT, preset, handler=partial(self._put_preset, channel))
            pvs.enum(f".G{channel}", ("N", "Y"), value=int(channel == 1))
