"""Frames on their way from the sensor to a file, as columns: all that their pictures are made from."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Shots(NamedTuple):
    """Some frames, in the order of their read-out; every column has one entry per frame.

    Attributes:
        trigger: Number of the trigger, from 1 since the arming.
        unique_id: As the camera counts.
        stamp_ns: Time stamp in Unix nanoseconds, as the camera's clock or the IOC's says.
        arrival_ns: When the frame leaves the camera, in the beamline's time.
        x: Horizontal position of the sample in the middle of the exposure, in units.
        y: Vertical position.
        light: Of the beam, 1 = nominal.
        attributes: NDAttributes by name.
    """

    trigger: NDArray[np.int64]
    unique_id: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    light: NDArray[np.float64]
    attributes: dict[str, NDArray[np.generic]]

    @property
    def size(self) -> int:
        """How many frames."""
        return len(self.trigger)

    def rows(self, rows: slice | list[int] | NDArray[np.bool_]) -> Self:
        """Some of them."""
        columns: list[Any] = [column[rows] for column in self[:-1]]
        return type(self)(*columns, attributes={name: column[rows] for name, column in self.attributes.items()})

    def looks(self) -> Iterator[tuple[int, float, float, float]]:
        """Give what each frame's picture is made from: trigger number, x, y, light."""
        yield from zip(self.trigger.tolist(), self.x.tolist(), self.y.tolist(), self.light.tolist(), strict=True)

    @classmethod
    def joined(cls, parts: "list[Shots]") -> "Shots":
        """One after the other; at least one part, all with the attributes of the first."""
        if len(parts) == 1:
            return parts[0]
        columns: list[Any] = [np.concatenate(column) for column in zip(*(part[:-1] for part in parts), strict=True)]
        names = parts[0].attributes
        return cls(
            *columns, attributes={name: np.concatenate([part.attributes[name] for part in parts]) for name in names}
        )
