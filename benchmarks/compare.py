"""Rounds of both sides in turn, and what they say about the ratio.

The two sides of a round share the machine's mood (other load, clock speed), so the ratio is formed within each round
and the rounds are the sample. The interval is a bootstrap over rounds: rounds are drawn with replacement, the median of
their ratios is taken, and the middle 95 % of many such medians is kept.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bench import SEED, Row, Sense, SideResult, Which
from .processes import run_fresh

Round = dict[Which, dict[str, SideResult]]
"""Of both sides, the result of every case."""

MIN_ROUNDS = 5
RESAMPLES = 4000


class UnequalResultsError(ValueError):
    """The two sides did not do the same work: nothing was timed, or the timing is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One case of a row, measured.

    Attributes:
        ours: Seconds per unit of work of each round, ours.
        peer: The same of the peer.
        ratio: Median of the paired ratios; above 1 ours is faster with sense "at_least", slower with "at_most".
        interval: 95 % interval of the ratio.
    """

    case: str
    goal: float
    sense: Sense
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    ratio: float
    interval: tuple[float, float]

    @property
    def met(self) -> bool:
        """Whether the interval touches the goal."""
        low, high = self.interval
        return high >= self.goal if self.sense == "at_least" else low <= self.goal

    @property
    def margin(self) -> float:
        """How far beyond the goal the ratio is: 1 is on it, below 1 is short of it."""
        return self.ratio / self.goal if self.sense == "at_least" else self.goal / self.ratio


def compare(row: Row, *, rounds: int) -> list[Comparison]:
    """Measure every case of `row` over `rounds` rounds, after one that is only checked.

    Raises:
        UnequalResultsError: The two sides returned different digests.
        SideFailedError: A side failed or hung.
    """
    checked = _round(row, first="ours")
    timed = [_round(row, first="peer" if number % 2 else "ours") for number in range(rounds)]
    for case in row.goals:
        _check_equal(row, case, [checked, *timed])
    return [_comparison(row, case, timed) for case in row.goals]


def _comparison(row: Row, case: str, timed: list[Round]) -> Comparison:
    ours, peer = (np.array([sides[which][case].seconds for sides in timed]) for which in ("ours", "peer"))
    ratios = peer / ours if row.sense == "at_least" else ours / peer
    return Comparison(
        case=case,
        goal=row.goals[case],
        sense=row.sense,
        ours=tuple(ours.tolist()),
        peer=tuple(peer.tolist()),
        ratio=float(np.median(ratios)),
        interval=interval_of(ratios),
    )


def interval_of(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median of `ratios`."""
    draws = np.random.default_rng(SEED).integers(0, len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
    return float(low), float(high)


def _round(row: Row, *, first: Which) -> Round:
    second: Which = "peer" if first == "ours" else "ours"
    sides: Round = {which: run_fresh(row.name, which) for which in (first, second)}
    for case in row.goals:
        _check_equal(row, case, [sides])
    return sides


def _check_equal(row: Row, case: str, rounds: list[Round]) -> None:
    digests = {results[case].digest for sides in rounds for results in sides.values()}
    if len(digests) > 1:
        label = f"{row.name} ({case})" if case else row.name
        msg = f"{label}: the sides do not do the same work: their digests are {' and '.join(sorted(digests))}"
        raise UnequalResultsError(msg)
