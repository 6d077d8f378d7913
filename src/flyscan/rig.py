"""The wiring of a beamline: what moves what, what reads what, what triggers what.

A file says it once, in the names of the devices; the trigger box is asked whether it is so. What the file does not
name is never written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import RigError


class RoutingDifference(NamedTuple):
    """An input of the trigger box that is wired otherwise than the rig says."""

    input: str
    expected: str
    seen: str

    def __str__(self) -> str:
        return f"{self.input} should be {self.expected}, but is {self.seen}"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TriggerBoxWiring(_Part):
    """The trigger box: its device, its sequencer and the sequencer's output, and the blocks that may be used."""

    device: str
    sequencer: int = Field(default=1, ge=1)
    output: str = Field(default="OUTA", pattern="^OUT[A-F]$")
    counter: int = Field(default=1, ge=1)
    blocks: tuple[str, ...]

    @property
    def source(self) -> str:
        """The trigger as a bit of the box."""
        return f"SEQ{self.sequencer}.{self.output}"


class TrajectoryWiring(_Part):
    """The trajectory controller: its device and coordinate system."""

    device: str
    coordinate_system: str


class AxisWiring(_Part):
    """An axis of a spec: its motor, its axis in the coordinate system, and how the trigger box sees it.

    Attributes:
        motor: Name of the motor device.
        cs_axis: Its letter in the coordinate system.
        encoder: Encoder block of the trigger box; None if the box does not see the axis.
        input: Position input of the sequencer to which the encoder is wired.
        scale: Axis units per encoder count; position = counts * scale + offset.
        offset: Axis units at count 0.
        max_velocity: Highest speed in a flight.
        max_acceleration: Highest acceleration in a flight.
    """

    motor: str
    cs_axis: str = Field(pattern="^[ABCUVWXYZ]$")
    encoder: str | None = None
    input: str | None = Field(default=None, pattern="^POS[ABC]$")
    scale: float = 1.0
    offset: float = 0.0
    max_velocity: float = Field(gt=0)
    max_acceleration: float = Field(gt=0)


class DetectorWiring(_Part):
    """A detector: the output of the trigger box to which its trigger input is wired."""

    input: str


class RigSettings(_Part):
    """The rig file."""

    trigger_box: TriggerBoxWiring
    trajectory: TrajectoryWiring
    axes: dict[str, AxisWiring] = Field(min_length=1)
    detectors: dict[str, DetectorWiring] = Field(default_factory=dict[str, DetectorWiring])

    @model_validator(mode="after")
    def _blocks_are_allowed(self) -> "RigSettings":
        box = self.trigger_box
        used = {f"SEQ{box.sequencer}", f"COUNTER{box.counter}", "PCAP", "DATA"}
        used |= {axis.encoder for axis in self.axes.values() if axis.encoder}
        if missing := sorted(used - set(box.blocks)):
            named = ", ".join(box.blocks)
            msg = f"trigger_box.blocks must name what the flight uses: {', '.join(missing)} not in {named}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _nothing_is_named_twice(self) -> "RigSettings":
        inputs = [axis.input for axis in self.axes.values() if axis.input]
        letters = [axis.cs_axis for axis in self.axes.values()]
        if len(set(inputs)) < len(inputs) or len(set(letters)) < len(letters):
            msg = f"every axis needs an input and a cs_axis of its own; seen inputs {inputs} and axes {letters}"
            raise ValueError(msg)
        if unseen := [name for name, axis in self.axes.items() if (axis.input is None) != (axis.encoder is None)]:
            msg = f"encoder and input belong together: give both or none for {', '.join(unseen)}"
            raise ValueError(msg)
        return self

    def device_names(self) -> set[str]:
        """Names of all devices that the file speaks of."""
        motors = {axis.motor for axis in self.axes.values()}
        return {self.trigger_box.device, self.trajectory.device, *motors, *self.detectors}

    def expected_routing(self) -> dict[str, str]:
        """Give what the inputs of the trigger box must be wired to."""
        box = self.trigger_box
        routing = {
            f"SEQ{box.sequencer}.{axis.input}": f"{axis.encoder}.VAL" for axis in self.axes.values() if axis.input
        }
        routing |= dict.fromkeys(("PCAP.GATE", "PCAP.TRIG", f"COUNTER{box.counter}.TRIG"), box.source)
        return routing | {f"{detector.input}.VAL": box.source for detector in self.detectors.values()}

    def check_routing(self, seen: Mapping[str, str]) -> list[RoutingDifference]:
        """Compare the routing that was read back from the trigger box with the rig.

        Returns:
            One difference per input that is wired otherwise; none when all is as it should be.
        """
        return [
            RoutingDifference(name, source, seen.get(name, "not there"))
            for name, source in self.expected_routing().items()
            if seen.get(name, "").upper() != source
        ]


class Rig:
    """The wiring and the devices that it names.

    Attributes:
        settings: What the file says.
        devices: Per name in the file, the device.
    """

    def __init__(self, settings: RigSettings, devices: Mapping[str, Any]) -> None:
        """Join the file and the devices.

        Raises:
            RigError: A device that the file names was not given, or one was given that it does not name.
        """
        self.settings = settings
        self.devices = dict(devices)
        named, given = settings.device_names(), set(devices)
        if named != given:
            lacking, beyond = ", ".join(sorted(named - given)) or "none", ", ".join(sorted(given - named)) or "none"
            msg = f"the rig file and the devices differ: named but not given: {lacking}; given but not named: {beyond}"
            raise RigError(msg)

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any], **devices: Any) -> "Rig":
        """Read a rig from a YAML file, or from a mapping of the same form.

        Args:
            source: Path of the file, or the mapping.
            devices: Every device that the file names, under that name.

        Raises:
            RigError: The file cannot be read or is not a rig; devices are missing or too many.
        """
        if isinstance(source, Mapping):
            return cls(_settings(source, "the mapping"), devices)
        try:
            content = cast("object", yaml.safe_load(Path(source).read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError) as error:
            msg = f"cannot read the rig file {source}: {error}"
            raise RigError(msg) from error
        return cls(_settings(content, str(source)), devices)

    @property
    def trigger_box(self) -> Any:
        """The trigger box."""
        return self.devices[self.settings.trigger_box.device]

    @property
    def trajectory(self) -> Any:
        """The trajectory controller."""
        return self.devices[self.settings.trajectory.device]

    def motor(self, axis: str) -> Any:
        """Give the motor of an axis."""
        return self.devices[self.settings.axes[axis].motor]

    def expected_routing(self) -> dict[str, str]:
        """Give what the inputs of the trigger box must be wired to."""
        return self.settings.expected_routing()

    def check_routing(self, seen: Mapping[str, str]) -> list[RoutingDifference]:
        """Compare the routing that was read back from the trigger box with the rig; see RigSettings.check_routing."""
        return self.settings.check_routing(seen)

    def __str__(self) -> str:
        """Draw the wiring."""
        box, trajectory = self.settings.trigger_box, self.settings.trajectory
        lines = ["axes"]
        for name, axis in self.settings.axes.items():
            motion = f"{trajectory.device}/{trajectory.coordinate_system}.{axis.cs_axis} ─► {axis.motor}"
            sight = (
                f" ─► {axis.encoder} ─► SEQ{box.sequencer}.{axis.input}  ({axis.scale:g} per count, {axis.offset:+g})"
            )
            lines.append(f"  {name}: {motion}{sight if axis.encoder else ''}")
        lines.append(f"triggers  ({box.device}: {', '.join(box.blocks)})")
        lines.append(f"  {box.source} ─► COUNTER{box.counter}, PCAP")
        lines.extend(
            f"  {box.source} ─► {detector.input} ─► {name}" for name, detector in self.settings.detectors.items()
        )
        return "\n".join(lines)


def _settings(content: object, origin: str) -> RigSettings:
    try:
        return RigSettings.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        msg = f"{origin} is not a rig: {faults}"
        raise RigError(msg) from error
