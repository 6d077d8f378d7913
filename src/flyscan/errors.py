"""Everything that a fly scan can refuse or fail with.

FlyScanError
├── yours
│   ├── SpecError (ValueError)              the spec or the arrays do not describe a flight
│   ├── RigError (ValueError)               the rig file and the devices do not fit together
│   │   └── WiringError                     the trigger box is wired otherwise than the rig says
│   └── InfeasibleScanError (ValueError)    cannot be flown as asked; carries every reason at once
├── theirs
│   └── FlightError                         the flight has failed; the hardware has been left safe
│       ├── ArmingTimeoutError (TimeoutError)
│       ├── StalledDetectorError (TimeoutError)
│       ├── TriggerBoxError                 the trigger box reports bad health or fired beside the plan
│       └── LostFramesError                 frames are missing and the policy is "fail"
└── ours
    ├── FlightOrderError (ValueError)       a verb of the flyer was called out of order
    └── LedgerError (ValueError)            rows or triggers were accounted for twice or with a hole
"""

from collections.abc import Iterable


class FlyScanError(Exception):
    """Root of everything that wingbeat.flyscan raises."""


class SpecError(FlyScanError, ValueError):
    """The spec or the arrays do not describe a flight."""


class RigError(FlyScanError, ValueError):
    """The rig file and the devices do not fit together."""


class WiringError(RigError):
    """The trigger box is wired otherwise than the rig says."""


class InfeasibleScanError(FlyScanError, ValueError):
    """The scan cannot be flown as asked.

    Attributes:
        reasons: Every reason, each with the nearest feasible value where there is one.
    """

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        lines = "".join(f"\n  - {reason}" for reason in self.reasons)
        super().__init__(f"this scan cannot be flown as asked, for {len(self.reasons)} reason(s):{lines}")


class FlightError(FlyScanError):
    """The flight has failed; the hardware has been left safe."""


class ArmingTimeoutError(FlightError, TimeoutError):
    """Something did not get ready to fly in time; the message says what."""


class StalledDetectorError(FlightError, TimeoutError):
    """A detector fell silent although triggers went on.

    Attributes:
        detector: Its name.
        frame: The first planned frame that did not come.
        expected: Frames that should have come by now.
        seen: Frames that have come.
    """

    def __init__(self, detector: str, *, frame: int, expected: int, seen: int, silence: float) -> None:
        self.detector, self.frame, self.expected, self.seen = detector, frame, expected, seen
        super().__init__(
            f"{detector} is stalled at frame {frame}: expected {expected} frames by now, seen {seen}, nothing for "
            f"{silence:.1f} s; check that it is armed, wired to the trigger box and that its writer runs"
        )


class TriggerBoxError(FlightError):
    """The trigger box reports bad health, or fired beside the plan."""


class LostFramesError(FlightError):
    """Frames are missing and the flight's policy is to fail on that.

    Attributes:
        missing: Per detector, the text that names the frames.
    """

    def __init__(self, missing: dict[str, str]) -> None:
        self.missing = missing
        text = "; ".join(f"{name}: {frames}" for name, frames in missing.items())
        super().__init__(f"frames are missing ({text}); look at the run's ledger for the reasons")


class FlightOrderError(FlyScanError, ValueError):
    """A verb of the flyer was called out of order."""


class LedgerError(FlyScanError, ValueError):
    """Rows or triggers were accounted for twice or with a hole."""
