"""Everything that sim_iocs raises on purpose.

SimError
├── SettingsError          (ValueError)   the settings file or the command line is wrong
├── PortTakenError         (OSError)      a port that was asked for is in use
├── RefusedPutError        (ValueError)   a client wrote what this PV does not accept
├── TimelineError          (ValueError)   a motion that cannot be put on an axis' timeline
├── NotServedError         (OSError)      a beamline in another process did not start
├── ClockStoppedError      (TimeoutError) a virtual clock has nobody to wake
└── NotFinishedError       (TimeoutError) a coroutine that must not wait has waited: a bug of ours
"""


class SimError(Exception):
    """Root of the simulated beamline's errors."""


class SettingsError(SimError, ValueError):
    """The settings file or the command line is wrong."""


class PortTakenError(SimError, OSError):
    """A port that was asked for is in use."""


class RefusedPutError(SimError, ValueError):
    """A client wrote a value that the PV does not accept."""


class TimelineError(SimError, ValueError):
    """A motion cannot be put on an axis' timeline."""


class NotServedError(SimError, OSError):
    """A beamline in another process did not start."""


class ClockStoppedError(SimError, TimeoutError):
    """A virtual clock is to run until something is done, and has nobody to wake."""


class NotFinishedError(SimError, TimeoutError):
    """A coroutine that must not wait has waited."""
