"""A scan as windows of frames: what is flown, before any machine is asked.

Where a window ends. Two neighbouring frames are flown without a pause when they join: on every axis the upper end of
one is the lower end of the next. scanspec compares these floats exactly, and so finds gaps in most lines that were
put together from two; here they join when they are nearer than a millionth of a frame. They do not join where the
path turns back on itself (the angle between the two steps is more than 90 degrees), nor where a new pass of the
fastest dimension has another velocity: no machine jumps from one velocity to another, and at the end of a line there
is time for a turnaround.

Windows are made one pass of the fastest dimension at a time, and a pass is compared with the one before it, so that
memory holds one pass and never the whole path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..stream_resource.frames import FrameRange
from .errors import SpecError
from .frame_source import Frames, FrameSource, source_of_arrays, source_of_spec
from .window import Floats, Window, quantise

JOIN_TOLERANCE = 1e-6
"""Frames join when their ends are nearer than this part of a frame; velocities agree within the same part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Planned frames, flown window by window in the order of their indices.

    Attributes:
        source: Where the frames come from.
        spec: The spec as JSON types, for the start document.
    """

    source: FrameSource
    spec: Mapping[str, Any]

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, slowest first."""
        return self.source.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames along each dimension, slowest first."""
        return self.source.shape

    @property
    def snaking(self) -> tuple[bool, ...]:
        """Whether every other pass of a dimension runs backward."""
        return self.source.snaking

    @property
    def planned(self) -> int:
        """How many frames there are."""
        return int(np.prod(self.shape))

    @property
    def windows(self) -> Iterator[Window]:
        """The windows in the order flown, made as they are asked for."""
        held: list[Frames] = []
        first_frame = 0
        for piece, apart in self._pieces():
            if held and (apart or not _continues(held[-1], piece)):
                yield _window(first_frame, held)
                first_frame += sum(len(frames.durations) for frames in held)
                held = []
            held.append(piece)
        yield _window(first_frame, held)

    def positions(self, frames: FrameRange) -> dict[str, Floats]:
        """Give the planned midpoints of these frames per axis.

        Raises:
            SpecError: The range is not within the planned frames.
        """
        if not 0 <= frames.start <= frames.stop <= self.planned:
            msg = f"{frames} is not within the {self.planned} planned frames"
            raise SpecError(msg)
        return self.source.extract(np.arange(frames.start, frames.stop)).midpoints

    def _pieces(self) -> Iterator[tuple[Frames, bool]]:
        """Cut every pass of the fastest dimension where its frames do not join, and say where a pause must be."""
        length = self.shape[-1]
        for row in range(self.planned // length):
            frames = self.source.extract(np.arange(row * length, (row + 1) * length))
            asked = self.source.breaks(row, length)
            cuts = np.flatnonzero(asked[1:] | ~_joins(frames)) + 1
            edges = [0, *cuts.tolist(), length]
            for start, stop in pairwise(edges):
                yield _piece(frames, slice(start, stop)), start > 0 or bool(asked[0])


def compile(spec: Any, durations: object = None) -> Scan:
    """Turn a scanspec 1.0 object, or arrays of midpoints, into a Scan.

    Args:
        spec: A scanspec object; or {axis: midpoints} with arrays of shape (frames,), which are one window, or (rows,
        frames),
            a window per row.
        durations: Seconds per frame. Needed for arrays (a number, or an array of their shape) and for a spec without
        one.

    Raises:
        SpecError: It does not describe frames that can be flown.

    >>> scan = compile({"x": [[0.5, 1.5, 2.5], [2.5, 1.5, 0.5]]}, 0.1)
    >>> [(window.first_frame, window.boundaries["x"].tolist()) for window in scan.windows]
    [(0, [0.0, 1.0, 2.0, 3.0]), (3, [3.0, 2.0, 1.0, 0.0])]
    """
    if hasattr(spec, "calculate"):
        source = source_of_spec(spec, durations)
        return _checked(Scan(source=source, spec=cast("Mapping[str, Any]", spec.serialize())))
    if not isinstance(spec, Mapping):
        msg = f"expected a scanspec object or {{axis: midpoints}}; seen {type(spec).__name__}"
        raise SpecError(msg)
    arrays = source_of_arrays(cast("Mapping[str, Any]", spec), durations)
    lists = {axis: values.tolist() for axis, values in arrays.midpoints.items()}
    return _checked(
        Scan(source=arrays, spec={"type": "Arrays", "positions": lists, "durations": arrays.durations.tolist()})
    )


def _checked(scan: Scan) -> Scan:
    frames = scan.source.extract(np.arange(min(scan.planned, scan.shape[-1])))
    bad = np.flatnonzero(~(frames.durations > 0) | ~np.isfinite(frames.durations))
    if len(bad):
        msg = f"frame {bad[0]} has a duration of {frames.durations[bad[0]]} s: expected a positive time"
        raise SpecError(msg)
    still = np.flatnonzero(_steps(frames).any(axis=0) == 0)
    if len(still):
        msg = (
            f"nothing moves in frame {still[0]}: a flight needs Fly(spec) whose fastest axis moves through every frame"
        )
        raise SpecError(msg)
    return scan


def _steps(frames: Frames) -> Floats:
    """(axes, frames) way that each axis goes in each frame."""
    return np.array([frames.upper[axis] - frames.lower[axis] for axis in frames.lower])


def _piece(frames: Frames, part: slice) -> Frames:
    return Frames(
        {axis: values[part] for axis, values in frames.lower.items()},
        {axis: values[part] for axis, values in frames.midpoints.items()},
        {axis: values[part] for axis, values in frames.upper.items()},
        frames.durations[part],
    )


def _joins(frames: Frames) -> NDArray[np.bool_]:
    """Say for every frame but the first whether it goes on where the frame before it ended, and does not turn back."""
    steps = _steps(frames)
    ends = np.array([frames.upper[axis][:-1] - frames.lower[axis][1:] for axis in frames.lower])
    size = np.maximum(np.abs(steps[:, :-1]), np.abs(steps[:, 1:]))
    reach = np.array([np.abs(frames.upper[axis][:-1]) for axis in frames.lower]) * np.finfo(np.float64).eps * 8
    meets = (np.abs(ends) <= JOIN_TOLERANCE * size + reach).all(axis=0)
    return meets & ((steps[:, :-1] * steps[:, 1:]).sum(axis=0) >= 0)


def _continues(before: Frames, after: Frames) -> bool:
    """Say whether a new pass goes on where, and as fast as, the pass before it ended."""
    pair = Frames(
        _ends(before.lower, after.lower),
        _ends(before.midpoints, after.midpoints),
        _ends(before.upper, after.upper),
        np.array([before.durations[-1], after.durations[0]]),
    )
    velocities = _steps(pair) / pair.durations
    same = np.abs(velocities[:, 0] - velocities[:, 1]) <= JOIN_TOLERANCE * np.abs(velocities).max(initial=0.0)
    return bool(_joins(pair)[0] and same.all())


def _ends(before: Mapping[str, Floats], after: Mapping[str, Floats]) -> dict[str, Floats]:
    return {axis: np.array([values[-1], after[axis][0]]) for axis, values in before.items()}


def _window(first_frame: int, pieces: list[Frames]) -> Window:
    last = pieces[-1].upper
    return Window(
        first_frame=first_frame,
        boundaries={
            axis: np.append(values, last[axis][-1]) for axis, values in _joined([p.lower for p in pieces]).items()
        },
        midpoints=_joined([piece.midpoints for piece in pieces]),
        ticks=quantise(np.concatenate([piece.durations for piece in pieces])),
    )


def _joined(pieces: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {axis: np.concatenate([piece[axis] for piece in pieces]) for axis in pieces[0]}
