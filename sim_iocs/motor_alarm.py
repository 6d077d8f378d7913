"""What a motor record says of its switches and troubles: limit switches, MSTA, alarms. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

NO_ALARM, HIGH, LOW, STATE = 0, 4, 6, 7
MAJOR = 2


class Alarm(NamedTuple):
    """Alarm status and severity, as EPICS numbers them."""

    status: int
    severity: int


@dataclass(slots=True)
class Condition:
    """Limit switches and troubles of one motor.

    Attributes:
        travel: Dial positions of the limit switches, or None.
        high: The switch at the high end is hit.
        low: The switch at the low end is hit.
        stuck: The axis cannot move.
        problem: The controller has given up.
        homed: The home switch was found.
    """

    travel: tuple[float, float] | None = None
    high: bool = False
    low: bool = False
    stuck: bool = False
    problem: bool = False
    homed: bool = False

    def blocks(self, towards: float) -> bool:
        """Whether a switch forbids a motion in this direction."""
        return (self.high and towards > 0) or (self.low and towards < 0)

    def left(self, towards: float) -> None:
        """Note that a motion leads away from a switch."""
        self.high, self.low = self.high and towards >= 0, self.low and towards <= 0

    def reach(self, position: float, slack: float) -> None:
        """Note where the axis has come to rest."""
        if self.travel is not None:
            low, high = self.travel
            self.high, self.low = self.high or position >= high - slack, self.low or position <= low + slack

    def status(self, *, moving: bool, forward: bool, enabled: bool) -> int:
        """Give MSTA."""
        bits = {
            1: forward,
            2: not moving,
            4: self.high,
            6: enabled,
            10: self.problem,
            11: moving,
            14: self.low,
            15: self.homed,
        }
        return sum(1 << (bit - 1) for bit, is_set in bits.items() if is_set)


def judge(condition: Condition, *, severity: int) -> Alarm:
    """Give the record's alarm: a problem is MAJOR, a limit switch as HLSV says.

    >>> judge(Condition(problem=True), severity=1)
    Alarm(status=7, severity=2)
    """
    if condition.problem:
        return Alarm(STATE, MAJOR)
    if severity and (condition.high or condition.low):
        return Alarm(HIGH if condition.high else LOW, severity)
    return Alarm(NO_ALARM, 0)
