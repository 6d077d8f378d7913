"""What can go wrong in the engine.

EngineError
├── yours: the plan, the message or the metadata is wrong
│   ├── IllegalMessageError (ValueError)        a message that makes no sense here: save without create
│   ├── UnknownCommandError (LookupError)       a Msg whose command is not in the table
│   ├── UnsupportedVerbError (TypeError)        the object lacks the method that the message needs
│   ├── PlanTypeError (TypeError)               neither a Plan nor a generator of messages
│   ├── DocumentError (ValueError)              a document that event-model's schema refuses
│   ├── CollectError (ValueError)               asset documents that do not continue what the run holds
│   ├── SubscriptionError (ValueError)          a subscriber on terms that cannot be kept
│   └── NotInPlanError                          an operation awaited where no plan runs
├── theirs: a device, a subscriber, a disk
│   ├── OperationFailedError                    a device failed an operation; `__cause__` is its own error
│   ├── OperationTimeoutError (TimeoutError)    an operation or the clean-up took longer than it may
│   ├── RampFailedError (TimeoutError)          a ramp took longer than it may
│   ├── SubscriberFailedError                   a critical subscriber raised; `__cause__` is its own error
│   ├── SubscriberGoneError                     a subscriber's process has died, or its loop is closed
│   ├── SubscriberRaisedError                   what a subscriber raised in its own process
│   ├── JournalError (OSError)                  the journal cannot be written or read
│   └── EngineLockedError                       another engine holds the directory
└── state: the engine is not where the call needs it
    ├── EngineBusyError                         a plan runs already
    ├── EngineClosedError                       the engine was closed
    ├── WrongLoopError                          the engine lives on another event loop
    ├── TransitionError                         the engine's state does not know that request
    ├── PauseRefusedError                       something in flight cannot be paused
    ├── PlanStoppedError                        RE.stop() ended the plan
    ├── PlanAbortedError                        RE.abort() ended the plan
    └── PlanHaltedError                         RE.halt() ended the plan, without its clean-up

An `Interruption` is no error of the tree: it is how a stop or an abort travels through a plan, and a BaseException
so that a plan's `except Exception` does not swallow it. A `Rewind` travels the same way, up to the step that it is for.
`RunPaused` is none either: it tells whoever awaited the plan that it waits, and holds the way to go on.
"""

from typing import Any, Literal

ExitStatus = Literal["success", "abort", "fail"]


class EngineError(Exception):
    """Root of everything the engine raises."""


class IllegalMessageError(EngineError, ValueError):
    """A message that makes no sense at this place of the plan."""


class UnknownCommandError(EngineError, LookupError):
    """A message whose command the engine does not know."""


class UnsupportedVerbError(EngineError, TypeError):
    """The object of a message lacks the method that its command needs."""


class PlanTypeError(EngineError, TypeError):
    """Something that is not a plan was handed over as one."""


class DocumentError(EngineError, ValueError):
    """A document that event-model's schema refuses, or that cannot be written as JSON."""


class CollectError(EngineError, ValueError):
    """Asset documents that do not continue what the run holds already."""


class SubscriptionError(EngineError, ValueError):
    """A subscriber cannot be had on the terms that were asked for."""


class NotInPlanError(EngineError):
    """An operation was awaited where no plan runs."""


class OperationFailedError(EngineError):
    """A device failed an operation; `__cause__` is the device's own error."""


class OperationTimeoutError(EngineError, TimeoutError):
    """An operation, or the clean-up after a plan, took longer than it may."""


class RampFailedError(EngineError, TimeoutError):
    """What `ramp_plan` has set off took longer than it may."""


class SubscriberFailedError(EngineError):
    """A critical subscriber raised; `__cause__` is its own error."""


class SubscriberGoneError(EngineError):
    """A subscriber can be called no more: its process has died, or its loop is closed."""


class SubscriberRaisedError(EngineError):
    """What a subscriber raised in a process of its own, as text."""


class JournalError(EngineError, OSError):
    """The journal cannot be written or read."""


class EngineLockedError(EngineError):
    """Another engine holds the data directory."""


class EngineBusyError(EngineError):
    """A plan runs in this engine already."""


class EngineClosedError(EngineError):
    """The engine was closed."""


class WrongLoopError(EngineError):
    """The engine lives on another event loop than the caller."""


class PlanStoppedError(EngineError):
    """The plan was ended by a stop request: its runs are closed as successful."""


class PlanAbortedError(EngineError):
    """The plan was ended by an abort request: its runs are closed as aborted."""


class TransitionError(EngineError):
    """The engine's state does not know what was asked."""


class PauseRefusedError(EngineError):
    """Something that is in flight can neither be stopped and started again, nor finished, nor paused."""


class PlanHaltedError(EngineError):
    """The plan was ended by a halt request: its own clean-up was not run."""


class RunPaused(Exception):  # noqa: N818  # no error: nothing is wrong
    """The plan that was awaited is paused and goes on with `await RE.resume()`, which gives its value.

    Attributes:
        handle: Of the plan.
        run: The newest run that it has opened, or None.
        reason: Why it was paused.
    """

    def __init__(self, handle: Any, run: Any, reason: str) -> None:
        what = reason or "the plan is paused"
        super().__init__(f"{what}; `await RE.resume()` goes on, `await RE.stop()` or `await RE.abort()` ends it")
        self.handle = handle
        self.run = run
        self.reason = reason


class Rewind(BaseException):
    """A step is to be taken again; raised at its pending operations and caught where it ends.

    Attributes:
        step: Which one.
    """

    def __init__(self, step: Any) -> None:
        super().__init__("the step is taken again")
        self.step = step


class Interruption(BaseException):
    """A request to end the plan, raised at its pending operation and at the next one of every branch.

    Attributes:
        reason: Why, in the words of whoever asked.
        exit_status: What the stop documents of open runs will say.
    """

    exit_status: ExitStatus = "abort"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason

    def to_error(self) -> EngineError:
        """Give the error that the caller of the engine gets."""
        return PlanAbortedError(f"the plan was aborted: {self.reason or 'no reason given'}")


class RequestAbort(Interruption):
    """End the plan now; its runs have failed to finish."""


class RequestStop(Interruption):
    """End the plan now; what it has taken so far is good."""

    exit_status: ExitStatus = "success"

    def to_error(self) -> EngineError:
        """Give the error that the caller of the engine gets."""
        return PlanStoppedError(f"the plan was stopped: {self.reason or 'no reason given'}")


class RequestHalt(Interruption):
    """End the plan now, and do not run its clean-up: every operation in it is refused."""

    def to_error(self) -> EngineError:
        """Give the error that the caller of the engine gets."""
        return PlanHaltedError(f"the plan was halted: {self.reason or 'no reason given'}")
