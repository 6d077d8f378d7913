"""Which frames the demonstration loses on purpose."""

import random
from dataclasses import dataclass

LOST_TRIGGERS = 2
DROPPED_FRAMES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Frames that will be missing, by the planned number of the frame, from 0.

    Attributes:
        lost: Frames whose trigger never reaches the camera.
        dropped: Frames that are exposed and then dropped before the file.
    """

    lost: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()

    @property
    def frames(self) -> tuple[int, ...]:
        """All frames that must be named missing, in order."""
        return tuple(sorted((*self.lost, *self.dropped)))


def draw_faults(seed: int, *, planned: int) -> Faults:
    """Choose different frames out of `planned` by `seed`.

    >>> draw_faults(7, planned=5000) == draw_faults(7, planned=5000)
    True
    >>> len(draw_faults(1, planned=10).frames)
    3
    """
    places = random.Random(seed).sample(range(planned), LOST_TRIGGERS + DROPPED_FRAMES)
    return Faults(lost=tuple(sorted(places[:LOST_TRIGGERS])), dropped=tuple(places[LOST_TRIGGERS:]))
