"""What a flight does about losses and delays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a flight deals with what does not go as planned; times in seconds.

    Attributes:
        on_loss: "mark": a run with missing frames succeeds and says which they are. "fail": it fails.
        arm: What arming may take, with the way to the start of the run-up.
        stall: Silence, beyond the exposure, after which a detector is stalled.
        abort: What the trajectory controller may take to report its end after an abort.
        finish: What detectors may take to write what they have exposed.
        directory: Where files go, for the look at the free disk; the default path provider's, unless given.
    """

    on_loss: Literal["mark", "fail"] = "mark"
    arm: float = 120.0
    stall: float = 2.0
    abort: float = 5.0
    finish: float = 30.0
    directory: Path | None = None
