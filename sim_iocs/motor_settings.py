"""What an axis and its motor record are like, and the trajectory controllers that move several."""

from pydantic import Field, model_validator

from .section import Section


class MotorSettings(Section):
    """A motor record and its axis.

    Attributes:
        units: Engineering units.
        start: Position at start-up, in units.
        resolution: Units per encoder count.
        low_limit: Soft limit.
        high_limit: Soft limit.
        velocity: VELO in units per second.
        base_velocity: VBAS.
        max_velocity: VMAX; 0 = no limit.
        acceleration_time: ACCL in seconds.
        backlash: BDST in units; 0 = none.
        precision: PREC.
        home: Where the home switch is, in dial units.
        travel: Dial positions of the limit switches; none unless given.
        lag: How long the axis is behind its demand, in seconds: its following error is velocity × lag.
        noise: Standard deviation of the encoder's noise, in counts.
        noise_period: How long one value of the noise lasts, in seconds.
    """

    units: str = "mm"
    start: float = 0.0
    resolution: float = Field(default=1e-4, gt=0)
    low_limit: float = -20.0
    high_limit: float = 40.0
    velocity: float = Field(default=10.0, gt=0)
    base_velocity: float = Field(default=0.0, ge=0)
    max_velocity: float = Field(default=50.0, ge=0)
    acceleration_time: float = Field(default=0.1, gt=0)
    backlash: float = 0.0
    precision: int = 4
    home: float = 0.0
    travel: tuple[float, float] | None = None
    lag: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=1e6)
    noise_period: float = Field(default=1e-6, ge=1e-8, le=1)


class PmacSettings(Section):
    """A trajectory controller.

    Attributes:
        coordinate_systems: By port name, the motor name of each axis letter; a motor belongs to at most one.
        half_buffer: Points in each half of the controller's buffer.
        poll: How often, in seconds, the driver looks whether a half is free.
    """

    coordinate_systems: dict[str, dict[str, str]] = Field(default={"CS1": {"X": "X", "Y": "Y"}})
    half_buffer: int = Field(default=1000, ge=2)
    poll: float = Field(default=0.1, gt=0)

    @model_validator(mode="after")
    def _each_motor_once(self) -> "PmacSettings":
        used = [motor for axes in self.coordinate_systems.values() for motor in axes.values()]
        twice = sorted({motor for motor in used if used.count(motor) > 1})
        if twice:
            msg = f"motors are assigned to more than one axis: {', '.join(twice)}"
            raise ValueError(msg)
        strange = {letter for axes in self.coordinate_systems.values() for letter in axes} - set("ABCUVWXYZ")
        if strange:
            msg = f"a coordinate system has axes A, B, C, U, V, W, X, Y and Z; got {', '.join(sorted(strange))}"
            raise ValueError(msg)
        return self
