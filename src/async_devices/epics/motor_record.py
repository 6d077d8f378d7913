"""The fields of a motor record, in two parts.

A record has all of its fields or none, so those that only a hand on a console needs (jog, home, offset, tweak) have no
channel until one of them is used: a beamline has hundreds of motors.
"""

from enum import IntFlag

from ...task_scope import together
from ..device import Device
from ..errors import ConnectFailure, ReadbackError, SetpointOutsideLimitsError
from ..mocking import mock_of
from ..readable import ReadableDevice
from ..schemes import MOCKING
from ..signal import Signal, SignalRW
from ..signals import signal_r, signal_rw, signal_w

TAKEN_TOLERANCE = 1e-6
"""Relative difference up to which a value counts as taken: a record may hold it in steps of its motor."""


class MotorStatus(IntFlag):
    """Bits of MSTA that a client acts on, by their numbers in the motor record."""

    PLUS_LIMIT = 1 << 2
    SLIP_STALL = 1 << 6
    PROBLEM = 1 << 9
    COMMUNICATION = 1 << 12
    MINUS_LIMIT = 1 << 13
    HOMED = 1 << 14

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        return tuple(words for bit, words in _FAULTS.items() if self & bit)


_FAULTS = {
    MotorStatus.COMMUNICATION: "communication with the controller is lost (MSTA bit 12)",
    MotorStatus.PROBLEM: "the controller reports a problem (MSTA bit 9)",
    MotorStatus.SLIP_STALL: "the motor slipped or stalled (MSTA bit 6)",
}


class MotorConsole(Device):
    """Fields that are connected at their first use."""

    def __init__(self, record: str) -> None:
        """Name the fields of `record`, a URI."""
        self.jog_forward = signal_rw(int, f"{record}.JOGF")
        self.jog_reverse = signal_rw(int, f"{record}.JOGR")
        self.jog_velocity = signal_rw(float, f"{record}.JVEL")
        self.home_forward = signal_rw(int, f"{record}.HOMF")
        self.home_reverse = signal_rw(int, f"{record}.HOMR")
        self.tweak_step = signal_rw(float, f"{record}.TWV")
        self.backlash_velocity = signal_r(float, f"{record}.BVEL")
        self.backlash_acceleration_time = signal_r(float, f"{record}.BACC")
        self.direction = signal_r(str, f"{record}.DIR")
        self.dial_readback = signal_r(float, f"{record}.DRBV")
        self.raw_readback = signal_r(int, f"{record}.RRBV")
        self.description = signal_rw(str, f"{record}.DESC")
        super().__init__()

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect nothing yet; but what is mocked is mocked whole."""
        return await super().connect_self(path, timeout) if MOCKING.get() else []

    async def ready(self, *signals: Signal[float] | Signal[int] | Signal[str]) -> None:
        """Connect some of the fields.

        Raises:
            NotConnectedError: The record does not answer.
        """
        for signal in signals:
            if not signal.present:
                await signal.connect()


class MotorRecord(ReadableDevice):
    """A motor record's fields; its reading has the device's own name."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a record.

        Args:
            prefix: The record, for example SIM:X.
            protocol: ca or pva.
            name: Of the device.
        """
        record = f"{protocol}://{prefix}"
        self.user_setpoint = signal_rw(float, f"{record}.VAL")
        self.user_readback = signal_r(float, f"{record}.RBV")
        self.velocity = signal_rw(float, f"{record}.VELO")
        self.base_velocity = signal_r(float, f"{record}.VBAS")
        self.maximum_velocity = signal_r(float, f"{record}.VMAX")
        self.acceleration_time = signal_rw(float, f"{record}.ACCL")
        self.low_limit = signal_rw(float, f"{record}.LLM")
        self.high_limit = signal_rw(float, f"{record}.HLM")
        self.offset = signal_rw(float, f"{record}.OFF")
        self.resolution = signal_r(float, f"{record}.MRES")
        self.deadband = signal_r(float, f"{record}.RDBD")
        self.backlash = signal_r(float, f"{record}.BDST")
        self.units = signal_r(str, f"{record}.EGU")
        self.precision = signal_r(int, f"{record}.PREC")
        self.done_moving = signal_r(bool, f"{record}.DMOV")
        self.limit_violation = signal_r(int, f"{record}.LVIO")
        self.missed = signal_r(int, f"{record}.MISS")
        self.high_switch = signal_r(bool, f"{record}.HLS")
        self.low_switch = signal_r(bool, f"{record}.LLS")
        self.status_bits = signal_r(int, f"{record}.MSTA")
        self.go = signal_rw(str, f"{record}.SPMG")
        self.stop_signal = signal_w(int, f"{record}.STOP")
        self.console = MotorConsole(record)
        self.read_signals = self.hinted_signals = (self.user_readback,)
        self.config_signals = (self.velocity, self.acceleration_time, self.offset, self.units)
        super().__init__(name)

    def set_name(self, name: str) -> None:
        """Name it; the readback has the name of the device itself."""
        super().set_name(name)
        self.user_readback.set_name(name)

    async def behave_as_mock(self) -> None:
        """Be at every target at once, without limits."""
        mock_of(self.velocity).set_now(1.0)
        mock_of(self.go).set_now("Go")
        mock_of(self.done_moving).set_now(True)
        mock_of(self.user_setpoint).on_put(mock_of(self.user_readback).set_now)


async def check_speed(motor: MotorRecord, speed: float) -> None:
    """Refuse a speed that the record would change in silence.

    Raises:
        SetpointOutsideLimitsError: Below VBAS, above VMAX, or not a speed.
    """
    slowest, fastest = await together(motor.base_velocity.get_value(), motor.maximum_velocity.get_value())
    if not speed > 0 or speed < slowest or 0 < fastest < speed:
        units = await motor.units.get_value()
        above = f" and at most {fastest:g} (VMAX)" if fastest > 0 else ""
        msg = (
            f"{motor.name}: {speed:g} {units}/s is no speed of its: more than 0, at least {slowest:g} (VBAS){above}; "
            "nothing has moved"
        )
        raise SetpointOutsideLimitsError(msg)


async def check_taken(motor: MotorRecord, signal: SignalRW[float], value: float) -> None:
    """See that the record took a value as it is.

    Raises:
        ReadbackError: It shows another.
    """
    seen = await signal.get_value()
    if abs(seen - value) > 1e-9 + abs(value) * TAKEN_TOLERANCE:
        msg = f"{motor.name}: {signal.source} is {seen:g} after {value:g} was written; the record changed it"
        raise ReadbackError(msg)
