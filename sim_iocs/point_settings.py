"""What the ring, the shutters, the point detectors and the sample's stage are like."""

from typing import Literal

from pydantic import Field

from .section import Section


class ScalerSettings(Section):
    """A scaler record.

    Attributes:
        names: Of the channels, from S1 on; the first counts the clock.
        rates: Counts per second of each channel in the full beam.
        frequency: Of the clock, in Hz.
    """

    names: tuple[str, ...] = ("time", "I0", "It", "If")
    rates: tuple[float, ...] = (0.0, 1e6, 4e5, 2e4)
    frequency: float = Field(default=1e7, gt=0)


class McaSettings(Section):
    """A multi-channel analyser in the manner of Xspress3.

    Attributes:
        elements: Detector elements.
        channels: Channels of a spectrum.
        rate: Photons per second and element in the full beam.
        trigger: Output of the trigger box that is wired to it.
        dead_time: Seconds for which a photon blinds an element.
    """

    elements: int = Field(default=4, ge=1, le=16)
    channels: int = Field(default=4096, ge=16, le=8192)
    rate: float = Field(default=1e5, ge=0)
    trigger: str = "TTLOUT2"
    dead_time: float = Field(default=2e-7, ge=0)


class ShutterSettings(Section):
    """A shutter or a valve.

    Attributes:
        travel: Seconds from one end to the other.
        start: State at start-up.
    """

    travel: float = Field(default=0.3, gt=0)
    start: Literal["Open", "Closed"] = "Open"


class RingSettings(Section):
    """A storage ring.

    Attributes:
        current: Just after a fill, in mA.
        lifetime: In which the current falls to 1/e, in seconds.
        period: Seconds between the starts of fills.
        fill: Seconds that a fill takes.
    """

    current: float = Field(default=300.0, gt=0)
    lifetime: float = Field(default=36_000.0, gt=0)
    period: float = Field(default=600.0, gt=0)
    fill: float = Field(default=2.0, gt=0)


class TemperatureSettings(Section):
    """A heated stage.

    Attributes:
        start: At start-up, in K.
        ramp: In K per minute.
        time_constant: Of its first-order lag behind the ramp, in seconds.
        noise: Standard deviation of the reading, in K.
    """

    start: float = 295.0
    ramp: float = Field(default=10.0, gt=0)
    time_constant: float = Field(default=5.0, gt=0)
    noise: float = Field(default=5e-3, ge=0)


class BeamSettings(Section):
    """What the detectors' signals scale with; nothing unless it is named.

    Attributes:
        ring: Name of the storage ring, or empty.
        shutters: Names of the shutters and valves in the beam.
    """

    ring: str = ""
    shutters: tuple[str, ...] = ()
