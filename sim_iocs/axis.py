"""One axis of the beamline: where it is at any instant, and what its encoder says; computed and never ticked.

Theory of operation. What is commanded is a list of tracks (`Track`); before, between and after them the axis rests
where it last was. Commands change only the future: `cut` ends the motion at an instant, and a new track begins there
with the position and velocity that is demanded then. The axis follows its demand by `lag_ns` later, which is a
following error of velocity × lag; with no lag, the default, demand and truth are one.

The encoder reads floor(position / resolution + noise + 1/2) + offset: the noise is a function of time (`noise`), the
offset steps when the encoder slips or glitches (`encoder`). `first_time` and `first_times` give the first whole
nanosecond at which that reading has reached a value; without noise by `Path`, with noise by looking at each cell of
the noise in the band where it can decide. Many instants are asked for at once by the names in the plural, which
answer the same to the last bit.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .clock import NS
from .encoder import EncoderErrors, Stretch
from .errors import TimelineError
from .noise import BOUND
from .noisy import first_noisy_time
from .path import NEVER, Path, Query
from .track import Track as Track
from .track import ramp_down as ramp_down
from .track import trapezoid as trapezoid

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HISTORY_NS = 120 * NS


class Axis:
    """An axis with an encoder.

    Args:
        name: What messages call it.
        position: Where it rests at first, in `units`.
        resolution: Units per encoder count, greater than 0.
        units: Engineering units.
        lag_ns: How long after the demand it is where it was told to be.
        errors: What the encoder adds; nothing unless given.
    """

    def __init__(
        self,
        name: str,
        *,
        position: float = 0.0,
        resolution: float = 1e-4,
        units: str = "mm",
        lag_ns: int = 0,
        errors: EncoderErrors | None = None,
    ) -> None:
        self.name, self.resolution, self.units = name, resolution, units
        self.errors = errors or EncoderErrors()
        self._lag_ns = lag_ns
        self._rest = position
        # Of the true motion: the demand, later by the lag.
        self._tracks: list[Track] = []
        self._path = self._make_path()

    @property
    def stop_ns(self) -> int:
        """The instant at which the last commanded motion ends; 0 if there was none."""
        return self._tracks[-1].stop_ns if self._tracks else 0

    @property
    def lag_ns(self) -> int:
        """How long after the demand the axis is where it was told to be."""
        return self._lag_ns

    def follow_later(self, lag_ns: int, *, now_ns: int) -> None:
        """Change the lag of motions to come.

        Raises:
            TimelineError: The axis moves.
        """
        if now_ns < self.stop_ns:
            msg = f"axis {self.name} moves until {self.stop_ns} ns: its following error can be changed only at rest"
            raise TimelineError(msg)
        self._lag_ns = lag_ns

    def demand(self, t_ns: int) -> float:
        """Position demanded at `t_ns`, in units."""
        return self._path.position(t_ns + self._lag_ns)

    def demand_velocity(self, t_ns: int) -> float:
        """Velocity demanded at `t_ns`, in units per second."""
        return self._path.velocity(t_ns + self._lag_ns)

    def position(self, t_ns: int) -> float:
        """True position at `t_ns`, in units."""
        return self._path.position(t_ns)

    def velocity(self, t_ns: int) -> float:
        """True velocity at `t_ns`, in units per second."""
        return self._path.velocity(t_ns)

    def positions(self, times_ns: ArrayLike) -> Floats:
        """True positions at instants, (n,), in units."""
        return self._path.positions(_instants(times_ns))

    def counts(self, t_ns: int) -> int:
        """What the encoder reads at `t_ns`."""
        if self.errors.plain:
            return int((self._path.position(t_ns) / self.resolution + 0.5) // 1)
        return int(self.readings(np.array([t_ns]))[0])

    def readings(self, times_ns: ArrayLike) -> Ints:
        """What the encoder reads at instants, (n,), in counts."""
        times = _instants(times_ns)
        positions = self._path.positions(times)
        if self.errors.plain:
            return self._path.counts(positions)
        noise = self.errors.noises(times)
        return np.floor(positions / self.resolution + noise + 0.5).astype(np.int64) + self.errors.offsets(times)

    def measured(self, t_ns: int) -> float:
        """What the encoder reads at `t_ns`, in units."""
        return self.counts(t_ns) * self.resolution

    def mean(self, start_ns: int, stop_ns: int) -> float:
        """Mean of the encoder over [start_ns, stop_ns), in counts, before quantisation."""
        return float(self.means(np.array([start_ns]), np.array([stop_ns]))[0])

    def means(self, starts_ns: ArrayLike, stops_ns: ArrayLike) -> Floats:
        """Means of the encoder over intervals [start, stop), (n,), in counts, before quantisation.

        Where an interval is empty, the reading before quantisation at its start.
        """
        starts, stops = _instants(starts_ns), _instants(stops_ns)
        means = self._path.means(starts, stops) / self.resolution
        return means if self.errors.plain else means + self.errors.means(starts, stops)

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        """Find when the encoder first reads `counts` or beyond.

        Args:
            counts: The threshold.
            rising: True for counts or more, False for counts or less.
            start_ns: First instant that may be given; given at once if the encoder reads so already.
            stop_ns: The instant before which it must be; half-open.

        Returns:
            The first whole nanosecond, or None if there is none in [start_ns, stop_ns).
        """
        if start_ns >= stop_ns:
            return None
        for stretch in self.errors.stretches(start_ns, stop_ns):
            found = self._first_within(stretch, counts - stretch.offset, rising=rising)
            if found != NEVER:
                return found
        return None

    def first_times(self, counts: ArrayLike, *, rising: bool, start_ns: ArrayLike, stop_ns: ArrayLike) -> Ints:
        """Find when the encoder first reads each of many thresholds or beyond.

        Args:
            counts: Thresholds, (n,).
            rising: True for counts or more, False for counts or less.
            start_ns: First instants that may be given, (n,) or one for all.
            stop_ns: The instants before which it must be, (n,) or one for all.

        Returns:
            First whole nanoseconds, (n,); -1 where there is none.
        """
        thresholds = np.atleast_1d(np.asarray(counts, np.int64))
        starts, stops = (np.broadcast_to(_instants(t), thresholds.shape) for t in (start_ns, stop_ns))
        if self.errors.plain:
            return self._path.first_times(Query(thresholds, starts, stops, rising))
        rows = zip(thresholds.tolist(), starts.tolist(), stops.tolist(), strict=True)
        found = (self.first_time(c, rising=rising, start_ns=a, stop_ns=b) for c, a, b in rows)
        return np.array([NEVER if t is None else t for t in found], np.int64)

    def _first_within(self, stretch: Stretch, counts: int, *, rising: bool) -> int:
        band = 0 if not stretch.rms else int(BOUND * stretch.rms) + 1
        early = counts - band if rising else counts + band
        query = Query(np.array([early]), np.array([stretch.start_ns]), np.array([stretch.stop_ns]), rising)
        possible = int(self._path.first_times(query)[0])
        if not stretch.rms or possible == NEVER:
            return possible
        return first_noisy_time(
            self._path,
            Query(np.array([counts]), np.array([possible]), np.array([stretch.stop_ns]), rising),
            lambda times: np.floor(self._path.positions(times) / self.resolution + self.errors.noises(times) + 0.5),
            cell_ns=self.errors.cell_ns,
        )

    def cut(self, t_ns: int) -> None:
        """Forget what is demanded from `t_ns` on; what is demanded until then stays."""
        self._cut(t_ns + self._lag_ns)

    def freeze(self, t_ns: int) -> None:
        """Stand still from `t_ns` on, at once and wherever the axis is: it is stuck, or against a stop."""
        position = self.position(t_ns)
        self._cut(t_ns)
        self._tracks.append(Track([t_ns], [position], [0.0]))
        self._path = self._make_path()

    def _cut(self, t_ns: int) -> None:
        while self._tracks and self._tracks[-1].start_ns >= t_ns:
            self._tracks.pop()
        if self._tracks and self._tracks[-1].stop_ns > t_ns:
            self._tracks[-1] = self._tracks[-1].cut(t_ns)
        self._path = self._make_path()

    def append(self, track: Track) -> None:
        """Put a motion after all that is demanded.

        Raises:
            TimelineError: The track begins before the last one ends.
        """
        self.extend([track])

    def extend(self, tracks: list[Track]) -> None:
        """Put motions after all that is demanded, in the order of their times.

        Raises:
            TimelineError: A track begins before the one before it ends.
        """
        for track in tracks:
            later = track.shifted(self._lag_ns)
            if later.start_ns < self.stop_ns:
                msg = (
                    f"axis {self.name} is commanded until {self.stop_ns} ns: "
                    f"a track cannot begin at {later.start_ns} ns"
                )
                raise TimelineError(msg)
            self._tracks.append(later)
        self._path = self._make_path()

    def forget(self, now_ns: int) -> None:
        """Drop motions that ended more than two minutes before `now_ns`; the axis then rested where they ended."""
        old = 0
        while old < len(self._tracks) and self._tracks[old].stop_ns < now_ns - HISTORY_NS:
            old += 1
        if old:
            self._rest = float(self._tracks[old - 1].positions[-1])
            del self._tracks[:old]
            self._path = self._make_path()

    def _make_path(self) -> Path:
        return Path(self._tracks, rest=self._rest, resolution=self.resolution)


def _instants(times_ns: ArrayLike) -> Ints:
    return np.atleast_1d(np.asarray(times_ns, np.int64))
