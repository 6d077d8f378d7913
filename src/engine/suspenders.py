"""Suspenders: conditions of the world under which a plan rests, under bluesky's names.

Theory of operation. A suspender follows one signal for as long as it is installed, whether a plan runs or not::

    clear ──value trips it──► tripped ──value clears it──► settling ──`sleep` seconds──► clear
                                 ▲                             │
                                 └────── value trips it ───────┘

While it is tripped or settling it holds one suspension in the plan that runs; a plan that starts then begins at rest.
So one that was tripped before the plan, and several at once, are no special cases: the freezer goes on when the last
suspension is released. A value may come from any thread; it is handed to the engine's loop first. A signal that has
not spoken yet trips nothing.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .followed import Followed
from .operation import name_of

if TYPE_CHECKING:
    from .run_engine import RunEngine

log = logging.getLogger(__name__)

Eta = Callable[[], float | None]


class SuspenderBase(ABC):
    """Follows a signal and suspends the plan that runs; subclasses say when.

    Args:
        signal: What is followed.
        sleep: Seconds that all must be well before the plan goes on.
        pre_plan: Run when the plan is at rest (close a shutter): a Plan, a generator, or a function that makes one.
        post_plan: Run before it goes on.
        tripped_message: Added to the reason.
        eta: Gives the seconds until it is expected to clear, or None; shown with the reason.
    """

    def __init__(
        self,
        signal: Any,
        *,
        sleep: float = 0.0,
        pre_plan: Any = None,
        post_plan: Any = None,
        tripped_message: str = "",
        eta: Eta | None = None,
    ) -> None:
        self.signal = signal
        self.sleep = sleep
        self.pre_plan = pre_plan
        self.post_plan = post_plan
        self.tripped_message = tripped_message
        self.eta = eta
        self.value: Any = None
        self.since = 0.0
        self._tripped = False
        self._engine: RunEngine | None = None
        self._followed: Followed | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = self.reason if self.tripped else "clear"
        return f"<{type(self).__name__} of {name_of(self.signal)}: {state}>"

    # What subclasses say.

    @abstractmethod
    def should_suspend(self, value: Any) -> bool:
        """Whether this value suspends."""

    def should_resume(self, value: Any) -> bool:
        """Whether this value, once suspended, clears."""
        return not self.should_suspend(value)

    def why(self) -> str:
        """Word what is wrong with the value."""
        return f"{name_of(self.signal)} is {self.value}"

    # What engines use.

    @property
    def tripped(self) -> bool:
        """Whether plans rest because of it."""
        return self._tripped

    @property
    def reason(self) -> str:
        """Why, in words, with the time that it is expected to take; empty if it is clear."""
        if not self._tripped:
            return ""
        left = None if self.eta is None else self.eta()
        expected = "" if left is None else f"expected to clear in {left:.3g} s"
        return ": ".join(part for part in (self.why(), self.tripped_message, expected) if part)

    def install(self, engine: "RunEngine") -> None:
        """Begin to follow the signal for this engine. An engine does that itself."""
        self._engine = engine
        self._followed = Followed(engine, self.signal, self._judge)

    def remove(self) -> None:
        """Follow it no more, and let a plan that rests because of it go on."""
        if self._followed is not None:
            self._followed.remove()
            self._clear()
            self._engine = self._followed = None

    def _judge(self, value: Any) -> None:
        if self._engine is None:
            return
        self.value = value
        if self.should_suspend(value):
            self._trip(self._engine)
        elif self._tripped and self._timer is None and self.should_resume(value):
            self._timer = asyncio.get_running_loop().call_later(self.sleep, self._clear)

    def _trip(self, engine: "RunEngine") -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._tripped:
            self._tripped = True
            self.since = time.time()
            log.warning("suspended: %s", self.reason)
            engine.suspenders.tripped(self)

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._tripped and self._engine is not None:
            log.warning("clear again: %s", self.why())
            self._tripped = False
            self._engine.suspenders.cleared(self)


class SuspendBoolHigh(SuspenderBase):
    """Suspends while the signal is true."""

    def should_suspend(self, value: Any) -> bool:
        """Whether it is true."""
        return bool(value)


class SuspendBoolLow(SuspenderBase):
    """Suspends while the signal is false."""

    def should_suspend(self, value: Any) -> bool:
        """Whether it is false."""
        return not bool(value)


class _Threshold(SuspenderBase):
    """Suspends beyond one value and resumes beyond another, so that noise between them changes nothing."""

    def __init__(
        self, signal: Any, suspend_thresh: float, *, resume_thresh: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(signal, **kwargs)
        self.suspend_thresh = suspend_thresh
        self.resume_thresh = suspend_thresh if resume_thresh is None else resume_thresh


class SuspendFloor(_Threshold):
    """Suspends when the signal falls below `suspend_thresh`, until it is above `resume_thresh` (the same by default).

    Raises:
        ValueError: `resume_thresh` is below `suspend_thresh`.
    """

    def __init__(self, signal: Any, suspend_thresh: float, **kwargs: Any) -> None:
        super().__init__(signal, suspend_thresh, **kwargs)
        if self.resume_thresh < suspend_thresh:
            msg = f"SuspendFloor: resume_thresh {self.resume_thresh} must not be below suspend_thresh {suspend_thresh}"
            raise ValueError(msg)

    def should_suspend(self, value: Any) -> bool:
        """Whether it is below the floor."""
        return value < self.suspend_thresh

    def should_resume(self, value: Any) -> bool:
        """Whether it is above the floor again, far enough."""
        return value > self.resume_thresh

    def why(self) -> str:
        """Word what is wrong with the value."""
        return f"{name_of(self.signal)} is {self.value}, below {self.suspend_thresh}"


class SuspendCeil(_Threshold):
    """Suspends when the signal rises above `suspend_thresh`, until it is below `resume_thresh` (the same by default).

    Raises:
        ValueError: `resume_thresh` is above `suspend_thresh`.
    """

    def __init__(self, signal: Any, suspend_thresh: float, **kwargs: Any) -> None:
        super().__init__(signal, suspend_thresh, **kwargs)
        if self.resume_thresh > suspend_thresh:
            msg = f"SuspendCeil: resume_thresh {self.resume_thresh} must not be above suspend_thresh {suspend_thresh}"
            raise ValueError(msg)

    def should_suspend(self, value: Any) -> bool:
        """Whether it is above the ceiling."""
        return value > self.suspend_thresh

    def should_resume(self, value: Any) -> bool:
        """Whether it is below the ceiling again, far enough."""
        return value < self.resume_thresh

    def why(self) -> str:
        """Word what is wrong with the value."""
        return f"{name_of(self.signal)} is {self.value}, above {self.suspend_thresh}"


class _Band(SuspenderBase):
    def __init__(self, signal: Any, band_bottom: float, band_top: float, **kwargs: Any) -> None:
        super().__init__(signal, **kwargs)
        if not band_bottom < band_top:
            msg = f"{type(self).__name__}: band_bottom {band_bottom} must be below band_top {band_top}"
            raise ValueError(msg)
        self.band_bottom = band_bottom
        self.band_top = band_top

    def _inside(self, value: float) -> bool:
        return self.band_bottom < value < self.band_top

    def why(self) -> str:
        """Word what is wrong with the value."""
        return f"{name_of(self.signal)} is {self.value}; the band is {self.band_bottom} to {self.band_top}"


class SuspendWhenOutsideBand(_Band):
    """Suspends while the signal is outside a band.

    Raises:
        ValueError: The band is empty.
    """

    def should_suspend(self, value: Any) -> bool:
        """Whether it is outside."""
        return not self._inside(value)


class SuspendOutBand(_Band):
    """Suspends while the signal is inside a band: bluesky's name says where it has to be.

    Raises:
        ValueError: The band is empty.
    """

    def should_suspend(self, value: Any) -> bool:
        """Whether it is inside."""
        return self._inside(value)


SuspendInBand = SuspendWhenOutsideBand


class SuspendWhenChanged(SuspenderBase):
    """Suspends when the signal is no longer what it was, or what is expected.

    Args:
        signal: What is followed.
        expected_value: What it has to be; None takes its first value.
        allow_resume: Whether the plan goes on when it is so again; otherwise it has to be stopped or aborted, as the
            hardware is likely to be another one.
        kwargs: As for every suspender.
    """

    def __init__(self, signal: Any, *, expected_value: Any = None, allow_resume: bool = False, **kwargs: Any) -> None:
        super().__init__(signal, **kwargs)
        self.expected_value = expected_value
        self.allow_resume = allow_resume

    def should_suspend(self, value: Any) -> bool:
        """Whether it is another value."""
        if self.expected_value is None:
            self.expected_value = value
        return bool(value != self.expected_value)

    def should_resume(self, value: Any) -> bool:
        """Whether it is the expected value again, and that is enough."""
        return self.allow_resume and bool(value == self.expected_value)

    def why(self) -> str:
        """Word what is wrong with the value."""
        return f"{name_of(self.signal)} is {self.value!r}, expected {self.expected_value!r}"
