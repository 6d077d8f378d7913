"""Where an axis is at any instant, and when it first gets somewhere: a flat list of cubic pieces.

Theory of operation. A path is pieces in the order of their times, that of each rest included, so that it says a
position for every instant. Queries come in arrays (frames by the million) and one by one; both evaluate the same
polynomials by the same operations in the same order, so they agree to the last bit.

A mean over an interval is exact: within one piece Simpson's rule integrates a cubic without error and, unlike the
difference of two integrals, without losing digits; an interval over several pieces is divided at their edges.

Crossings. "When are the encoder's counts first at or beyond c?" is decided by the counts themselves, at whole
nanoseconds. The path is divided at marks: edges of pieces, the nanosecond before each, and both nanoseconds beside a
turning point (the roots of the derivative, a quadratic). Between marks it is monotone; consecutive marks in one
direction make a run. In the first run whose far end has reached c, a search over the counts at its marks finds the
interval between two marks, and there Newton's method proposes the instant, which is taken only when the counts have
reached c then and had not a nanosecond before; otherwise the bracket is narrowed and, in the worst case, halved. So a
trigger computed here never disagrees with the counts read at that instant, by not even one nanosecond, which the bare
root of a cubic could.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .track import Track

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BEGINNING = -(2**62)
END = 2**62
NEVER = -1


class Query(NamedTuple):
    """Encoder thresholds to be reached.

    Attributes:
        counts: (n,) thresholds.
        starts_ns: (n,) first instants that may be given.
        stops_ns: (n,) the instants before which it must be.
        rising: True for counts or more, False for counts or less.
    """

    counts: Ints
    starts_ns: Ints
    stops_ns: Ints
    rising: bool


class _Runs(NamedTuple):
    """Monotone stretches: run k holds the marks first[k] to last[k], both included."""

    first: Ints
    last: Ints


class Path:
    """Pieces and rests in the order of their times; never changed once made.

    Args:
        tracks: Motions in the order of their times, none beginning before the last one ends.
        rest: Where the axis is before the first of them, in units.
        resolution: Units per count.
    """

    def __init__(self, tracks: Iterable[Track], *, rest: float, resolution: float) -> None:
        self._resolution = resolution
        edges, pieces = [np.array([BEGINNING], np.int64)], [np.array([[rest, 0.0, 0.0, 0.0]])]
        for track in tracks:
            if len(edges) > 1 and edges[-1][-1] == track.start_ns:
                # No rest between the two: the piece that stood for it has no length.
                edges[-1], pieces[-1] = edges[-1][:-1], pieces[-1][:-1]
            edges.append(track.times_ns)
            pieces += [track.coefficients, np.array([[track.positions[-1], 0.0, 0.0, 0.0]])]
            pieces[-2:] = [np.concatenate(pieces[-2:])]
        self._edges: Ints = np.concatenate(edges)
        self._pieces: Floats = np.concatenate(pieces)
        self._near: tuple[int, int, list[float]] = (0, 0, [])

    def position(self, t_ns: int) -> float:
        """Position at an instant, in units."""
        u, (c0, c1, c2, c3) = self._at(t_ns)
        return c0 + u * (c1 + u * (c2 + u * c3))

    def velocity(self, t_ns: int) -> float:
        """Velocity at an instant, in units per second."""
        u, (_, c1, c2, c3) = self._at(t_ns)
        return c1 + u * (2 * c2 + u * 3 * c3)

    def _at(self, t_ns: int) -> tuple[float, list[float]]:
        start, stop, coefficients = self._near
        if not start <= t_ns < stop:
            i = int(np.searchsorted(self._edges, t_ns, side="right")) - 1
            start, coefficients = int(self._edges[i]), self._pieces[i].tolist()
            stop = int(self._edges[i + 1]) if i + 1 < len(self._edges) else END
            self._near = (start, stop, coefficients)
        return (t_ns - start) / NS, coefficients

    def positions(self, times_ns: Ints) -> Floats:
        """Positions at many instants, (n,), in units."""
        return self._evaluate(self.pieces_at(times_ns), times_ns)

    def velocities(self, times_ns: Ints) -> Floats:
        """Velocities at many instants, (n,), in units per second."""
        i = self.pieces_at(times_ns)
        u = (times_ns - self._edges[i]) / NS
        return self._pieces[i, 1] + u * (2 * self._pieces[i, 2] + u * 3 * self._pieces[i, 3])

    def pieces_at(self, times_ns: Ints) -> Ints:
        """Numbers of the pieces in which instants lie, (n,)."""
        return np.searchsorted(self._edges, times_ns, side="right") - 1

    def _evaluate(self, i: Ints, times_ns: Ints) -> Floats:
        origin, c0, c1, c2, c3 = self._columns(i)
        u = (times_ns - origin) / NS
        return c0 + u * (c1 + u * (c2 + u * c3))

    def _columns(self, i: Ints) -> tuple[Any, Any, Any, Any, Any]:
        """Give origin and coefficients of pieces, (n,) each; of one piece alone as numbers, which is much faster."""
        if len(i) and i[0] == i[-1] and (i == i[0]).all():
            i = i[0]
        c0, c1, c2, c3 = self._pieces[i].T
        return self._edges[i], c0, c1, c2, c3

    def means(self, starts_ns: Ints, stops_ns: Ints) -> Floats:
        """Mean positions over intervals [start, stop), (n,), in units; where stop <= start, the position at start."""
        stops_ns = np.maximum(starts_ns, stops_ns)
        first, last = self.pieces_at(starts_ns), self.pieces_at(np.maximum(stops_ns - 1, starts_ns))
        if (first == last).all():
            return self._simpson(first, starts_ns, stops_ns)
        # One row for each piece that an interval touches.
        parts = last - first + 1
        offsets = np.concatenate([[0], np.cumsum(parts)[:-1]])
        of = np.repeat(np.arange(len(parts)), parts)
        i = first[of] + np.arange(len(of)) - offsets[of]
        edges = np.append(self._edges, END)
        a, b = np.maximum(starts_ns[of], edges[i]), np.minimum(stops_ns[of], edges[i + 1])
        simpson = self._simpson(i, a, b)
        total = np.add.reduceat(simpson * (b - a), offsets) if len(of) else simpson
        length = stops_ns - starts_ns
        return np.where(length > 0, total / np.maximum(length, 1), simpson[offsets])

    def _simpson(self, i: Ints, a: Ints, b: Ints) -> Floats:
        origin, c0, c1, c2, c3 = self._columns(i)
        ua, ub = (a - origin) / NS, (b - origin) / NS
        um = (ua + ub) / 2
        pa, pm, pb = (c0 + u * (c1 + u * (c2 + u * c3)) for u in (ua, um, ub))
        return (pa + 4 * pm + pb) / 6

    def counts(self, positions: Floats) -> Ints:
        """Encoder counts of positions."""
        return np.floor(positions / self._resolution + 0.5).astype(np.int64)

    def first_times(self, query: Query) -> Ints:
        """Give the first whole nanoseconds at which the counts are at or beyond thresholds, (n,); NEVER where not."""
        found = np.full(len(query.counts), NEVER, np.int64)
        valid = np.flatnonzero(query.starts_ns < query.stops_ns)
        if not len(valid):
            return found
        runs = self._runs
        marks = self._marks
        low = int(np.searchsorted(marks[runs.last], int(query.starts_ns[valid].min()), side="left"))
        high = int(np.searchsorted(marks[runs.first], int(query.stops_ns[valid].max()) - 1, side="right"))
        # Before the first mark and after the last one it rests: runs hold all other answers.
        self._settle(query, found, valid, self._reached(query, valid, query.starts_ns[valid]))
        for k in range(low, high):
            open_ = valid[found[valid] == NEVER]
            if not len(open_):
                break
            self._search(query, found, open_, first=int(runs.first[k]), last=int(runs.last[k]))
        return found

    def _settle(self, query: Query, found: Ints, which: Ints, reached: NDArray[np.bool_]) -> None:
        found[which[reached]] = query.starts_ns[which[reached]]

    def _reached(self, query: Query, which: Ints, times_ns: Ints) -> NDArray[np.bool_]:
        if len(times_ns) and (times_ns == times_ns[0]).all():
            # Queries that begin together.
            times_ns = times_ns[:1]
        return self._beyond(query, which, self.positions(times_ns))

    def _beyond(self, query: Query, which: Ints, positions: Floats) -> NDArray[np.bool_]:
        counts = self.counts(positions)
        return counts >= query.counts[which] if query.rising else counts <= query.counts[which]

    def _search(self, query: Query, found: Ints, which: Ints, *, first: int, last: int) -> None:
        """Find what is reached within one run, by thresholds that are not yet reached."""
        marks, sign = self._marks, 1 if query.rising else -1
        a = np.maximum(query.starts_ns[which], marks[first])
        b = np.minimum(query.stops_ns[which] - 1, marks[last])
        inside = a <= b
        which, a, b = which[inside], a[inside], b[inside]
        at_once = self._reached(query, which, a)
        found[which[at_once]] = a[at_once]
        which, a, b = which[~at_once], a[~at_once], b[~at_once]
        there = self._reached(query, which, b)
        which, a, b = which[there], a[there], b[there]
        if len(which):
            # Counts at the marks rise (fall) along the run: the first mark that has reached each threshold.
            along = sign * self.counts(self._mark_positions[first : last + 1])
            at = first + np.searchsorted(along, sign * query.counts[which], side="left")
            after = np.minimum(b, marks[np.minimum(at, last)])
            before = np.maximum(a, marks[np.maximum(at - 1, first)])
            found[which] = self._narrow(query, which, before, after)

    def _narrow(self, query: Query, which: Ints, before: Ints, after: Ints) -> Ints:
        """Give the first instants in (before, after] that have reached; `before` has not, `after` has, monotone."""
        sign = 1 if query.rising else -1
        # Positions at which the counts change.
        edge: Floats = (query.counts[which] - sign * 0.5).astype(np.float64) * self._resolution
        left = np.flatnonzero(after - before > 1)
        turn = 0
        while len(left):
            lo, hi = before[left], after[left]
            # Everything strictly between two marks lies in one piece.
            piece = self.pieces_at(hi - 1)
            guess = (lo + hi) // 2 if turn % 3 == 2 else self._newton(edge[left], piece, lo, hi)
            for _ in range(2):
                # First the guess, then its neighbour on the side on which the answer is not.
                t = np.clip(guess, lo + 1, np.maximum(hi - 1, lo + 1))
                hit = self._beyond(query, which[left], self._evaluate(piece, t))
                lo, hi = np.where(hit, lo, np.maximum(lo, t)), np.where(hit, np.minimum(hi, t), hi)
                guess = np.where(hit, t - 1, t + 1)
            before[left], after[left] = lo, hi
            left = left[hi - lo > 1]
            turn += 1
        return after

    def _newton(self, edge: Floats, i: Ints, lo: Ints, hi: Ints) -> Ints:
        """Propose where the position is `edge`, from the chord and a step of Newton's method."""
        origin, c0, c1, c2, c3 = self._columns(i)
        ulo, uhi = (lo - origin) / NS, (hi - origin) / NS
        plo, phi = (c0 + u * (c1 + u * (c2 + u * c3)) for u in (ulo, uhi))
        with np.errstate(divide="ignore", invalid="ignore"):
            u: Floats = ulo + (edge - plo) * ((uhi - ulo) / (phi - plo))
            step = (c0 + u * (c1 + u * (c2 + u * c3)) - edge) / (c1 + u * (2 * c2 + u * 3 * c3))
            u = np.where(np.isfinite(step), u - step, u)
        u = np.clip(np.where(np.isfinite(u), u, (ulo + uhi) / 2), ulo, uhi)
        return origin + np.ceil(u * NS).astype(np.int64)

    def marks_within(self, start_ns: int, stop_ns: int) -> Ints:
        """Give the instants in [start, stop) between which the path is monotone, (n,)."""
        first, last = np.searchsorted(self._marks, [start_ns, stop_ns], side="left").tolist()
        return self._marks[first:last]

    @cached_property
    def _marks(self) -> Ints:
        """Instants between any two of which, one following the other, the path is monotone."""
        edges = self._edges[1:]
        starts, pieces = self._edges[:-1], self._pieces[:-1]
        # The first piece is the rest before everything, and has no turning point.
        roots = _turning_points(pieces[1:, 1], pieces[1:, 2], pieces[1:, 3])
        with np.errstate(invalid="ignore"):
            length = np.diff(edges) / NS
            # The turning point lies between two whole nanoseconds: both are marks.
            turning = [
                (starts[1:][inside] + np.floor(root[inside] * NS).astype(np.int64))
                for root in roots
                for inside in [(root > 0) & (root < length)]
            ]
        both = [t for floor in turning for t in (floor, floor + 1)]
        return np.unique(np.concatenate([edges, edges - 1, *both]))

    @cached_property
    def _mark_positions(self) -> Floats:
        return self.positions(self._marks)

    @cached_property
    def _runs(self) -> _Runs:
        if len(self._marks) < 2:
            none = np.empty(0, np.int64)
            return _Runs(none, none)
        direction = np.sign(np.diff(self.counts(self._mark_positions))).astype(np.int64)
        moving = np.flatnonzero(direction)
        if not len(moving):
            return _Runs(np.array([0]), np.array([len(direction)]))
        # A stretch without a change of counts belongs to the run before it.
        turns = moving[1:][np.diff(direction[moving]) != 0]
        return _Runs(np.concatenate([[0], turns]), np.concatenate([turns, [len(direction)]]))


def _turning_points(c1: Floats, c2: Floats, c3: Floats) -> tuple[Floats, Floats]:
    """Give the roots of c1 + 2·c2·u + 3·c3·u², where a cubic's velocity is 0; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        discriminant = c2 * c2 - 3 * c1 * c3
        # The form that does not subtract nearly equal numbers.
        q = -(c2 + np.where(c2 >= 0, 1.0, -1.0) * np.sqrt(discriminant))
        # Without a cubic term q is -2·c2, or 0 where c2 is negative: then the one root is told apart.
        single = np.where(c3 == 0, -c1 / (2 * c2), q / (3 * c3))
        return single, np.where(c3 == 0, np.nan, c1 / q)
