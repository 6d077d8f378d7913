"""Where the frames of a scan come from: scanspec's stack of dimensions, or plain arrays.

A source answers for any set of planned frame indices, so nothing needs the whole path in memory. For a stack of
dimensions the index of a frame in dimension j is found by mixed radix, slowest first (a 2 × 3 × 4 scan):

    frame      0 .. 3     4 .. 7     8 .. 11    12 .. 15
    z          0          0          0          1
    y          0          1          2          2 if y is snaked, else 0
    x          0 1 2 3    3 2 1 0    0 1 2 3    3 2 1 0     (x is snaked)

In a backward pass of a snaked dimension the frame k is frame len - 1 - k with lower and upper swapped, and its
duration is that frame's own (scanspec 1.0 takes its neighbour's: the index of a gap and the index of a frame differ
by one).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scanspec.core import Dimension, SnakedDimension

from .errors import SpecError
from .window import Floats, Ints


class Frames(NamedTuple):
    """Some frames: lower, midpoint and upper position per axis, and their durations (s)."""

    lower: dict[str, Floats]
    midpoints: dict[str, Floats]
    upper: dict[str, Floats]
    durations: Floats


class FrameSource(Protocol):
    """What a Scan is made from."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, slowest first."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames along each dimension, slowest first."""
        ...

    @property
    def snaking(self) -> tuple[bool, ...]:
        """Whether every other pass of a dimension runs backward."""
        ...

    def extract(self, indices: Ints) -> Frames:
        """Give the frames with these planned indices."""
        ...

    def breaks(self, row: int, length: int) -> NDArray[np.bool_]:
        """Say before which of the `length` frames of a row (a pass of the fastest dimension) a pause was asked for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySource:
    """Frames from arrays of midpoints, one row (window) per line of the arrays."""

    midpoints: Mapping[str, Floats]
    durations: Floats

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order given."""
        return tuple(self.midpoints)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, frames of a row)."""
        return tuple(self.durations.shape)

    @property
    def snaking(self) -> tuple[bool, ...]:
        """Arrays are flown as they are."""
        return (False,) * self.durations.ndim

    def extract(self, indices: Ints) -> Frames:
        """Give the frames with these planned indices; they meet where a constant speed between midpoints would be."""
        row, column = np.divmod(indices, self.durations.shape[1])
        edges = {axis: _boundaries(values, self.durations) for axis, values in self.midpoints.items()}
        return Frames(
            {axis: edge[row, column] for axis, edge in edges.items()},
            {axis: values[row, column] for axis, values in self.midpoints.items()},
            {axis: edge[row, column + 1] for axis, edge in edges.items()},
            self.durations[row, column],
        )

    def breaks(self, row: int, length: int) -> NDArray[np.bool_]:
        """Every row of the arrays is a window of its own."""
        asked = np.zeros(length, dtype=np.bool_)
        asked[0] = True
        return asked


def _boundaries(midpoints: Floats, durations: Floats) -> Floats:
    """Give (rows, n + 1) boundaries; half way between midpoints of equal duration, the outer ones extrapolated."""
    share = durations[:, :-1] / (durations[:, :-1] + durations[:, 1:])
    inner = midpoints[:, :-1] + np.diff(midpoints, axis=1) * share
    first = 2 * midpoints[:, :1] - inner[:, :1]
    last = 2 * midpoints[:, -1:] - inner[:, -1:]
    return np.concatenate((first, inner, last), axis=1)


def source_of_arrays(positions: Mapping[str, Any], durations: object) -> ArraySource:
    """Check arrays of midpoints (n,) or (rows, n) and durations (scalar or broadcastable) and make a source of them.

    Raises:
        SpecError: Shapes disagree, a row has fewer than two frames, or a value is not finite or not positive.
    """
    try:
        arrays = {axis: np.atleast_2d(np.asarray(values, dtype=np.float64)) for axis, values in positions.items()}
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        times = np.broadcast_to(np.asarray(durations, dtype=np.float64), shape)
    except (ValueError, TypeError) as error:
        msg = f"positions and durations must be numbers of one shape, (frames,) or (rows, frames): {error}"
        raise SpecError(msg) from error
    if not arrays or len(shape) != 2 or shape[1] < 2 or {array.shape for array in arrays.values()} != {shape}:
        shapes = {axis: array.shape for axis, array in arrays.items()}
        msg = f"expected per axis an array of at least two midpoints, all of one shape; seen {shapes}"
        raise SpecError(msg)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        msg = f"positions of {', '.join(arrays)} hold values that are not finite"
        raise SpecError(msg)
    return ArraySource(midpoints=arrays, durations=times)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSource:
    """Frames from the stack of Dimensions that a scanspec 1.0 object calculates."""

    stack: Sequence[Dimension[Any]]
    forced: bool
    """The spec asks for gaps (Concat(gap=True)), so its own gap flags count."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, slowest first, as the frames have them; the spec itself may say another order."""
        return tuple(_name(axis) for dimension in self.stack for axis in dimension.axes())

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames along each dimension, slowest first."""
        return tuple(len(dimension) for dimension in self.stack)

    @property
    def snaking(self) -> tuple[bool, ...]:
        """Whether every other pass of a dimension runs backward."""
        return tuple(isinstance(dimension, SnakedDimension) for dimension in self.stack)

    def _places(self, indices: Ints) -> list[tuple[Dimension[Any], Ints, NDArray[np.bool_]]]:
        places: list[tuple[Dimension[Any], Ints, NDArray[np.bool_]]] = []
        quotient = indices
        for dimension in reversed(self.stack):
            passes, place = np.divmod(quotient, len(dimension))
            backward = (passes % 2 == 1) & isinstance(dimension, SnakedDimension)
            places.append((dimension, np.where(backward, len(dimension) - 1 - place, place), backward))
            quotient = passes
        return places[::-1]

    def extract(self, indices: Ints) -> Frames:
        """Give the frames with these planned indices."""
        frames = Frames({}, {}, {}, np.zeros(len(indices)))
        for dimension, place, backward in self._places(indices):
            for axis, midpoints in dimension.midpoints.items():
                lower, upper = dimension.lower[axis][place], dimension.upper[axis][place]
                frames.midpoints[_name(axis)] = midpoints[place].astype(np.float64)
                frames.lower[_name(axis)] = np.where(backward, upper, lower)
                frames.upper[_name(axis)] = np.where(backward, lower, upper)
            if dimension.duration is not None:
                frames = frames._replace(durations=dimension.duration[place].astype(np.float64))
        return frames

    def breaks(self, row: int, length: int) -> NDArray[np.bool_]:
        """Say before which frames of a row a pause was asked for by the spec."""
        asked = np.zeros(length, dtype=np.bool_)
        asked[0] = self._repeat_asked(row)
        if self.forced:
            fast = self.stack[-1]
            backward = isinstance(fast, SnakedDimension) and row % 2 == 1
            # The gap before frame k of a forward pass stands before frame len - k of the backward one.
            asked[1:] |= fast.gap[:0:-1] if backward else fast.gap[1:]
        return asked

    def _repeat_asked(self, row: int) -> bool:
        """Say whether the pass begins an iteration of a plain repeat (Product(3, spec)) that asks for a gap."""
        quotient = row
        for dimension in reversed(self.stack[:-1]):
            quotient, place = divmod(quotient, len(dimension))
            if place:
                return not dimension.midpoints and bool(dimension.gap[place])
        return False


def source_of_spec(spec: Any, durations: object) -> StackSource:
    """Let a scanspec 1.0 object calculate its dimensions and check that they can be flown.

    Args:
        spec: Anything with scanspec's calculate() and serialize().
        durations: Seconds per frame (a number), for a spec that has none of its own.

    Raises:
        SpecError: An axis twice, no duration or two of them.
    """
    stack = [dimension for dimension in cast("list[Dimension[Any]]", spec.calculate()) if len(dimension)]
    names = [_name(axis) for dimension in stack for axis in dimension.axes()]
    if not names or len(set(names)) != len(names):
        msg = f"expected a spec that moves each axis once; seen axes {names}"
        raise SpecError(msg)
    timed = [dimension for dimension in stack if dimension.duration is not None]
    if durations is not None and not timed:
        stack[-1].duration = np.full(len(stack[-1]), float(cast("float", durations)))
    elif durations is not None or len(timed) != 1:
        msg = f"expected one duration for every frame; seen {len(timed) + (durations is not None)}: write 1e-3 @ spec"
        raise SpecError(msg)
    tree = cast("object", spec.serialize())
    _refuse_squashed_snake(stack, tree)
    return StackSource(stack=tuple(stack), forced=_holds(tree, "Concat", {"gap": True}))


def _refuse_squashed_snake(stack: Sequence[Dimension[Any]], tree: object) -> None:
    # Squash has already used scanspec's own extraction, which shifts the durations of a backward pass by one frame.
    durations = next(dimension.duration for dimension in stack if dimension.duration is not None)
    varies = bool(np.ptp(durations) > 0)
    if varies and _holds(tree, "Squash", {}) and _holds(tree, "Snake", {}):
        msg = (
            "Squash of a Snake with durations that differ is shifted by one frame in scanspec 1.0: leave out the Squash"
        )
        raise SpecError(msg)


def _holds(tree: object, kind: str, fields: Mapping[str, object]) -> bool:
    if not isinstance(tree, Mapping):
        return False
    node = cast("Mapping[str, object]", tree)
    if node.get("type") == kind and all(node.get(key) == value for key, value in fields.items()):
        return True
    return any(_holds(child, kind, fields) for child in node.values())


def _name(axis: object) -> str:
    """An axis may be named by a string or be the device itself."""
    return axis if isinstance(axis, str) else str(getattr(axis, "name", axis))
