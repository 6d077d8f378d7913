"""What can go wrong with a device.

    DeviceError
    ├── NotConnectedError (TimeoutError)         no answer, or one of another type: a tree
    ├── DisconnectedError (ConnectionError)      a circuit closed while something waited on it
    │   ├── FrozenError                          the circuit is open and nobody answers on it
    │   └── LoopEndedError                       the loop that the device was connected in runs no more
    ├── DatatypeError (TypeError)                the server serves another type than the device declares
    │   └── ServedChangedError                   it did, until it was started again
    ├── ValueRefusedError (ValueError)           a value that the signal cannot carry: choice, length, type
    │   └── SetpointOutsideLimitsError           a target beyond the axis' limits, refused before motion
    ├── PutFailedError (OSError)                 the server refused or aborted a write
    ├── WaitTimeoutError (TimeoutError)          something awaited did not come in time
    ├── ReadbackError (ValueError)               what was read back is not what was written
    ├── MoveFailedError (OSError)                a move ended, but not where it was sent
    ├── WriterError (OSError)                    a file writer did not open, closed early, or lost its file
    │   ├── PathRefusedError                     a place that the writer cannot make or the client cannot see
    │   ├── FramesDroppedError                   frames that were exposed and will never be in the file
    │   └── FrameLayoutError (ValueError)        frames of another shape, type or order than described
    ├── AcquireError (OSError)                   a detector did not start or did not stop
    ├── AssetsNotReadyError (LookupError)        asked for the files of a detector that has none open
    ├── NoPathProviderError (LookupError)        nobody said where files go
    ├── IntrospectionError (LookupError)         a PVI tree that lacks what the device needs
    ├── BuildFailedError (ValueError)            a trajectory that the controller refused
    ├── ExecuteFailedError (OSError)             a trajectory that did not run to its end
    ├── UnsupportedTriggerError (ValueError)     a trigger request that the detector cannot serve
    │   └── UnknownDeadtimeError (LookupError)   nobody knows how long it is blind between two exposures
    ├── PluginChainError (ValueError)            plug-ins that do not bring every frame from the camera to the file
    ├── PauseRefusedError (OSError)              a detector that cannot pause or go on where it was asked to
    ├── DeclarationError (TypeError)             a type hint or a function that cannot be made a part of a device
    ├── DerivationError (ValueError)             inputs that cannot be made a value, or a value that cannot be split
    ├── MockError (LookupError)                  a signal that is not mocked
    ├── SettingsError (ValueError)               settings that do not fit the device, or a file that holds none
    ├── UnknownSchemeError (ValueError)          a URI that no back end serves
    └── MissingBackendError (ImportError)        the library of a protocol is not installed

Every message names the device or the PV, what was expected, what was seen, and what to do.
"""

from collections.abc import Sequence
from typing import NamedTuple


class DeviceError(Exception):
    """Root of everything that a device raises on purpose."""


class ConnectFailure(NamedTuple):
    """One signal, or one part of a device, that did not connect.

    Attributes:
        path: Names from the outermost device to the signal.
        source: The URI that was tried.
        expected: What the device declares.
        seen: What answered, or that nothing did.
        seconds: How long it was waited for.
    """

    path: tuple[str, ...]
    source: str
    expected: str
    seen: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.source}: expected {self.expected}, {self.seen} ({self.seconds:.1f} s)"


class NotConnectedError(DeviceError, TimeoutError):
    """Some signals did not connect; the message is a tree of which, what was expected and what answered.

    Attributes:
        failures: Every signal that failed, in tree order.
    """

    SHOWN_PER_DEVICE = 6
    """Failures of one device beyond these are counted, not listed: a dead IOC has hundreds."""

    def __init__(self, failures: Sequence[ConnectFailure]) -> None:
        self.failures = tuple(failures)
        super().__init__(_tree(self.failures))


def _tree(failures: Sequence[ConnectFailure]) -> str:
    by_device: dict[tuple[str, ...], list[ConnectFailure]] = {}
    for failure in failures:
        by_device.setdefault(failure.path[:-1], []).append(failure)
    lines = [f"{len(failures)} signal(s) of {len({f.path[0] for f in failures})} device(s) did not connect"]
    for path, group in by_device.items():
        lines.append("  " + (".".join(path) or "(no device)"))
        lines.extend(f"    {failure.path[-1]}: {failure}" for failure in group[: NotConnectedError.SHOWN_PER_DEVICE])
        if (more := len(group) - NotConnectedError.SHOWN_PER_DEVICE) > 0:
            lines.append(f"    … and {more} more of {'.'.join(path)}")
    lines.append("  Is the server running, and do EPICS_CA_* / EPICS_PVA_* name its host and port?")
    return "\n".join(lines)


class DisconnectedError(DeviceError, ConnectionError):
    """A circuit closed while something waited on it."""


class FrozenError(DisconnectedError):
    """The server keeps its circuit open and answers nothing on it: it hangs, or the network between is cut."""


class LoopEndedError(DisconnectedError):
    """The event loop in which the device was connected has been closed or stands still; connect it again."""


class DatatypeError(DeviceError, TypeError):
    """The server serves another type than the device declares."""


class ServedChangedError(DatatypeError):
    """The server was started again and serves another type than before, which does not fit; names both."""


class ValueRefusedError(DeviceError, ValueError):
    """A value that this signal cannot carry; nothing was written."""


class SetpointOutsideLimitsError(ValueRefusedError):
    """A target beyond the axis' limits, refused before any motion."""


class PutFailedError(DeviceError, OSError):
    """The server refused or aborted a write."""


class WaitTimeoutError(DeviceError, TimeoutError):
    """Something awaited did not come in time; the message says what and what was seen last."""


class ReadbackError(DeviceError, ValueError):
    """What was read back is not what was written."""


class MoveFailedError(DeviceError, OSError):
    """A move ended, but not where it was sent."""


class WriterError(DeviceError, OSError):
    """A file writer did not open its file, closed it early, or wrote something else than asked."""


class PathRefusedError(WriterError):
    """A place for a file that the writer cannot make, that the client cannot see, or that is taken."""


class FramesDroppedError(WriterError):
    """Frames were exposed and will never be in the file; the message says how many and where they were dropped."""


class FrameLayoutError(WriterError, ValueError):
    """Frames have another shape, type or colour order than was described, or one that nobody can foretell."""


class AcquireError(DeviceError, OSError):
    """A detector did not start or did not stop acquiring."""


class AssetsNotReadyError(DeviceError, LookupError):
    """Asked for the files of a detector that has none open yet; prepare it, or wait for its first frame."""


class NoPathProviderError(DeviceError, LookupError):
    """A detector needs to know where its files go and nobody said."""


class IntrospectionError(DeviceError, LookupError):
    """A PVI tree that lacks a block or a field that the device needs."""


class BuildFailedError(DeviceError, ValueError):
    """The trajectory controller refused a profile; carries the controller's message."""


class ExecuteFailedError(DeviceError, OSError):
    """A trajectory did not run to its end; carries the controller's message."""


class UnsupportedTriggerError(DeviceError, ValueError):
    """A trigger request that this detector cannot serve."""


class UnknownDeadtimeError(UnsupportedTriggerError, LookupError):
    """Nobody knows how long the detector is blind between two exposures: measure it, or say it."""


class PluginChainError(DeviceError, ValueError):
    """Plug-ins between camera and file that do not pass on every frame, or are wired to something else."""


class PauseRefusedError(DeviceError, OSError):
    """A detector cannot pause, or cannot go on with the frame that was asked for."""


class DeclarationError(DeviceError, TypeError):
    """A type hint, or a function of a derived signal, that cannot be made a part of a device."""


class DerivationError(DeviceError, ValueError):
    """A derived signal cannot compute its value from its inputs, or cannot split what was written."""


class MockError(DeviceError, LookupError):
    """A signal has no mock: its device was connected to a real server, or not at all."""


class SettingsError(DeviceError, ValueError):
    """Settings that do not fit the device, or a file that holds none."""


class UnknownSchemeError(DeviceError, ValueError):
    """A PV with a scheme that no back end serves."""


class MissingBackendError(DeviceError, ImportError):
    """The library of a protocol is not installed."""
