"""What is measured besides, in every run of every plan."""

from collections.abc import Iterable
from typing import Any

from .baseline import baseline_wrapper
from .fly_during import fly_during_wrapper
from .monitor_during import monitor_during_wrapper
from .wrapped import Wrapped


class SupplementalData:
    """A preprocessor for `RE.preprocessors`: baseline readings, monitors and flyers for every run.

    Each run reads the baseline, begins to monitor, kicks the flyers off; and ends in the opposite order.

    Attributes:
        baseline: Devices that are read at both ends of every run. All three may be changed at any time.
        monitors: Signals that are monitored during each.
        flyers: What flies during each.
    """

    def __init__(
        self,
        *,
        baseline: Iterable[Any] | None = None,
        monitors: Iterable[Any] | None = None,
        flyers: Iterable[Any] | None = None,
    ) -> None:
        self.baseline: list[Any] = list(baseline or ())
        self.monitors: list[Any] = list(monitors or ())
        self.flyers: list[Any] = list(flyers or ())

    def __call__(self, plan: Any) -> Wrapped:
        """Give the plan with what is measured besides."""
        flown = fly_during_wrapper(plan, self.flyers)
        return baseline_wrapper(monitor_during_wrapper(flown, self.monitors), self.baseline)

    def __repr__(self) -> str:
        return f"SupplementalData(baseline={self.baseline}, monitors={self.monitors}, flyers={self.flyers})"
