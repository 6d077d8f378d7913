"""What can go wrong with a device of an EPICS IOC, beyond what can go wrong with any.

    DeviceError
    ├── MoveFailedError (OSError)                a move ended, but not where it was sent
    │   ├── MoveRefusedError                     nothing has moved: the record is stopped, paused or in trouble
    │   ├── LimitViolationError                  beyond a soft limit, seen by the record (LVIO)
    │   ├── LimitSwitchError                     a limit switch was hit
    │   ├── MotorFaultError                      the controller reports a problem, a stall, or lost communication
    │   ├── TargetMissedError                    came to rest off the target, retries and all (MISS)
    │   ├── MoveStoppedError                     somebody stopped it
    │   └── MoveRedirectedError                  somebody sent it elsewhere
    ├── UnsupportedTableError (ValueError)       a sequencer table that this server cannot take
    ├── AxisMapError (ValueError)                axes that no one coordinate system holds
    ├── ExecuteFailedError (OSError)             a trajectory that did not run to its end
    │   └── AppendFailedError                    the controller did not take more points of it
    ├── AcquireError (OSError)                   a detector did not start, or did not stop
    │   ├── CountInterruptedError                a scaler or an MCA was stopped before its preset
    │   └── PandaFaultError                      a PandA lost triggers or rows, or says that it is ill
    │       ├── PandaDisarmedError               PCAP was disarmed by somebody else
    │       └── CaptureOverrunError              rows were lost between PCAP and the file
    ├── IntrospectionError (LookupError)
    │   └── MissingFieldError (AttributeError)   a field that this server does not serve
    ├── WriterError (OSError)
    │   └── DatasetTypeError (TypeError)         a dataset is of another type than was declared
    ├── ValveError (OSError)                     a shutter or a valve
    │   ├── InterlockError                       its interlock does not allow it
    │   └── ValveFaultError                      it is in fault, or did not get there
    ├── TemperatureError (OSError)               a temperature controller
    │   ├── TemperatureFaultError                it is off or in fault
    │   └── SetpointChangedError                 somebody changed its setpoint meanwhile
    └── BeamLostError (OSError)                  no beam, and none to come

Every message names the device or the PV, what was expected, what was seen, and what to do.
"""

from ..errors import AcquireError, DeviceError, ExecuteFailedError, IntrospectionError, MoveFailedError, WriterError


class MoveRefusedError(MoveFailedError):
    """A move that cannot begin; nothing has moved."""


class LimitViolationError(MoveFailedError):
    """The record refused a target for its soft limits (LVIO)."""


class LimitSwitchError(MoveFailedError):
    """A limit switch ended a motion."""


class MotorFaultError(MoveFailedError):
    """The controller reports a problem, a stall or lost communication (bits of MSTA)."""


class TargetMissedError(MoveFailedError):
    """The record gave up off its target (MISS)."""


class MoveStoppedError(MoveFailedError):
    """A motion was stopped by somebody else."""


class MoveRedirectedError(MoveFailedError):
    """A motion was sent to another target before it had ended."""


class UnsupportedTableError(DeviceError, ValueError):
    """A sequencer table longer than this server can take."""


class AxisMapError(DeviceError, ValueError):
    """Axes that do not belong to one coordinate system, each to a letter of its own."""


class AppendFailedError(ExecuteFailedError):
    """The controller did not take more points of a running trajectory; carries its message."""


class CountInterruptedError(AcquireError):
    """A count ended before its preset was reached."""


class PandaFaultError(AcquireError):
    """A PandA lost triggers or rows, or a block reports that it is not well."""


class PandaDisarmedError(PandaFaultError):
    """PCAP was disarmed while it was to capture."""


class CaptureOverrunError(PandaFaultError):
    """Rows were lost between PCAP and the file."""


class MissingFieldError(IntrospectionError, AttributeError):
    """A block of a PVI tree lacks a field."""


class DatasetTypeError(WriterError, TypeError):
    """A dataset of a file is of another type than its descriptor says."""


class ValveError(DeviceError, OSError):
    """A shutter or a valve did not do what it was told."""


class InterlockError(ValveError):
    """An interlock does not allow it."""


class ValveFaultError(ValveError):
    """It is in fault, or did not get there."""


class TemperatureError(DeviceError, OSError):
    """A temperature controller did not do what it was told."""


class TemperatureFaultError(TemperatureError):
    """A temperature controller is off or in fault."""


class SetpointChangedError(TemperatureError):
    """Somebody changed the setpoint before the temperature was there."""


class BeamLostError(DeviceError, OSError):
    """There is no beam, and waiting will not bring it."""
