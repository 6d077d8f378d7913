"""What can go wrong with a device.

    DeviceError
    ├── NotConnectedError (TimeoutError)         no answer, or one of another type: a tree
    ├── DisconnectedError (ConnectionError)      a circuit closed while something waited on it
    ├── DatatypeError (TypeError)                the server serves another type than the device declares
    ├── ValueRefusedError (ValueError)           a value that the signal cannot carry: choice, length, type
    │   └── SetpointOutsideLimitsError           a target beyond the axis' limits, refused before motion
    ├── PutFailedError (OSError)                 the server refused or aborted a write
    ├── WaitTimeoutError (TimeoutError)          something awaited did not come in time
    ├── ReadbackError (ValueError)               what was read back is not what was written
    ├── MoveFailedError (OSError)                a move ended, but not where it was sent
    ├── WriterError (OSError)                    a file writer did not open, closed early, or lost its file
    ├── AcquireError (OSError)                   a detector did not start or did not stop
    ├── AssetsNotReadyError (LookupError)        asked for the files of a detector that has none open
    ├── NoPathProviderError (LookupError)        nobody said where files go
    ├── IntrospectionError (LookupError)         a PVI tree that lacks what the device needs
    ├── BuildFailedError (ValueError)            a trajectory that the controller refused
    ├── ExecuteFailedError (OSError)             a trajectory that did not run to its end
    ├── UnsupportedTriggerError (ValueError)     a trigger request that the detector cannot serve
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


class DatatypeError(DeviceError, TypeError):
    """The server serves another type than the device declares."""


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


class UnknownSchemeError(DeviceError, ValueError):
    """A PV with a scheme that no back end serves."""


class MissingBackendError(DeviceError, ImportError):
    """The library of a protocol is not installed."""
