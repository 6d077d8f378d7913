"""Profile: points of a PVT trajectory, checked before anything is sent.

The controller counts the time of a segment in 24 bits of microseconds and truncates what is longer in silence: the
axes would then be somewhere else than everybody believes. So that, arrays of unlike length and numbers that are none
are refused here, by the number of the point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import BuildFailedError

AXES = "ABCUVWXYZ"
LONGEST_SEGMENT_US = 0xFFFFFF
"""16.8 s: what the controller's 24 bits hold."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UserPrograms = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Points in time.

    Attributes:
        times_us: Of each point, the duration of the segment that ends there, whole microseconds.
        positions: Per axis letter, one per point, in the motor's units.
        velocities: Per axis letter, one per point, units per second.
        user: Number of the user program that runs at each point; None for none.
    """

    times_us: Ints
    positions: Mapping[str, Floats]
    velocities: Mapping[str, Floats]
    user: UserPrograms | None = field(default=None)

    @property
    def points(self) -> int:
        """How many points it has."""
        return len(self.times_us)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return float(np.sum(self.times_us)) * 1e-6

    @property
    def user_programs(self) -> UserPrograms:
        """One number per point; zeros where nothing is to run, so that none is left over from the last profile."""
        return np.zeros(self.points, np.int32) if self.user is None else np.asarray(self.user, np.int32)

    def check(self, *, name: str) -> None:
        """See that a controller can run it.

        Args:
            name: Of the controller, for messages.

        Raises:
            BuildFailedError: Naming the axis or the point; nothing has been sent.
        """
        self._check_lengths(name)
        self._check_times(name)
        for what, arrays in (("position", self.positions), ("velocity", self.velocities)):
            for letter, array in arrays.items():
                if (wrong := np.flatnonzero(~np.isfinite(array))).size:
                    point = int(wrong[0])
                    msg = f"{name}: {what} {array[point]} of axis {letter} at point {point}; nothing was sent"
                    raise BuildFailedError(msg)

    def _check_lengths(self, name: str) -> None:
        lengths = {
            f"{what} {letter}": len(array)
            for what, arrays in (("positions", self.positions), ("velocities", self.velocities))
            for letter, array in arrays.items()
        }
        lengths |= {"user programs": len(self.user_programs)}
        wrong = any(length != self.points for length in lengths.values())
        if wrong or set(self.positions) != set(self.velocities) or not set(self.positions) <= set(AXES):
            msg = (
                f"{name}: a profile needs one position and one velocity per time ({self.points}) for axes of {AXES}; "
                f"given {lengths}"
            )
            raise BuildFailedError(msg)

    def _check_times(self, name: str) -> None:
        outside = np.flatnonzero((self.times_us > LONGEST_SEGMENT_US) | (self.times_us < 0))
        if outside.size:
            point = int(outside[0])
            msg = (
                f"{name}: the segment to point {point} takes {int(self.times_us[point])} us; the controller holds 0 to "
                f"{LONGEST_SEGMENT_US} us (24 bits). Nothing was sent: split it into shorter ones"
            )
            raise BuildFailedError(msg)
