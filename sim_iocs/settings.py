"""What the beamline consists of, read from YAML; without a file, the beamline of the demo."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError

from .camera_settings import CameraSettings as CameraSettings
from .errors import SettingsError
from .motor_settings import MotorSettings as MotorSettings
from .motor_settings import PmacSettings as PmacSettings
from .panda_settings import PandaSettings as PandaSettings
from .point_settings import (
    BeamSettings,
    McaSettings,
    RingSettings,
    ScalerSettings,
    ShutterSettings,
    TemperatureSettings,
)
from .section import Section


class TimedFaults(Section):
    """Faults that come later.

    Attributes:
        after: Seconds after the start.
        set: Names of faults with their values.
    """

    after: float = Field(ge=0)
    set: dict[str, Any]


class FaultSettings(Section):
    """What shall go wrong: names of faults with their values, from the start.

    Attributes:
        schedule: What goes wrong later.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    schedule: tuple[TimedFaults, ...] = ()

    @property
    def present(self) -> dict[str, Any]:
        """What goes wrong from the start, by name."""
        return dict(self.model_extra or {})


THETA = MotorSettings(units="deg", low_limit=-180.0, high_limit=180.0, max_velocity=90.0)


class BeamlineSettings(Section):
    """Everything that is served; sections by the name that follows the prefix in the devices' PVs.

    Attributes:
        prefix: What every PV name begins with.
        seed: Of everything drawn at random.
        texts: How PV Access shows long texts: as strings; or as bytes, as EPICS' own server does, with its traps.
        motors: Motor records.
        pmac: Trajectory controllers.
        panda: Trigger boxes.
        cameras: Cameras.
        scalers: Scaler records.
        mcas: Multi-channel analysers.
        shutters: Shutters.
        valves: Valves; the same as shutters.
        rings: Storage rings.
        temperatures: Heated stages.
        beam: What detectors' signals scale with.
        faults: What shall go wrong.
    """

    prefix: str = "SIM:"
    seed: int = 0
    texts: Literal["string", "bytes"] = "string"
    motors: dict[str, MotorSettings] = Field(default={name: MotorSettings() for name in "XYZ"} | {"THETA": THETA})
    pmac: dict[str, PmacSettings] = Field(default={"PMAC": PmacSettings()})
    panda: dict[str, PandaSettings] = Field(default={"PANDA": PandaSettings()})
    cameras: dict[str, CameraSettings] = Field(default={"CAM": CameraSettings(stamps="Camera clock")})
    scalers: dict[str, ScalerSettings] = Field(default={"SCALER": ScalerSettings()})
    mcas: dict[str, McaSettings] = Field(default={"XSP3": McaSettings()})
    shutters: dict[str, ShutterSettings] = Field(default={"SHTR": ShutterSettings()})
    valves: dict[str, ShutterSettings] = Field(default={"VALVE": ShutterSettings()})
    rings: dict[str, RingSettings] = Field(default={"SR": RingSettings()})
    temperatures: dict[str, TemperatureSettings] = Field(default={"TEMP": TemperatureSettings()})
    beam: BeamSettings = BeamSettings()
    faults: FaultSettings = FaultSettings()


def load_settings(path: Path | None) -> BeamlineSettings:
    """Read settings from a YAML file, or give the defaults.

    Raises:
        SettingsError: The file cannot be read, or says something unknown or impossible.
    """
    if path is None:
        return BeamlineSettings()
    try:
        settings = BeamlineSettings.model_validate(yaml.safe_load(path.read_text()) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        msg = f"settings file {path}: {error}"
        raise SettingsError(msg) from error
    for complaint in _complaints(settings):
        msg = f"settings file {path} {complaint}"
        raise SettingsError(msg)
    return settings


def _complaints(settings: BeamlineSettings) -> Iterable[str]:
    """Say what names a device that is not there."""
    systems = [axes for pmac in settings.pmac.values() for axes in pmac.coordinate_systems.values()]
    motors = {name for axes in systems for name in axes.values()}
    motors |= {name for panda in settings.panda.values() for name in panda.encoders.values()}
    motors |= {name for camera in settings.cameras.values() for name in camera.picture_axes}
    if unknown := motors - settings.motors.keys():
        yield f"wires motors that it does not define: {', '.join(sorted(unknown))}; add them under motors"
    boxes = {name.rpartition(".")[0] for name in _triggers(settings)} - {""}
    if unknown := boxes - settings.panda.keys():
        yield f"wires triggers to trigger boxes that it does not define: {', '.join(sorted(unknown))}"
    controllers = {source.partition(".")[0] for panda in settings.panda.values() for source in panda.inputs.values()}
    if unknown := controllers - settings.pmac.keys():
        yield f"wires inputs to controllers that it does not define: {', '.join(sorted(unknown))}"
    if settings.beam.ring and settings.beam.ring not in settings.rings:
        yield f"has a beam from a ring that it does not define: {settings.beam.ring}; add it under rings"
    if unknown := set(settings.beam.shutters) - settings.shutters.keys() - settings.valves.keys():
        yield f"has shutters in the beam that it does not define: {', '.join(sorted(unknown))}"
    names = [name for section in _named(settings) for name in section]
    if twice := {name for name in names if names.count(name) > 1}:
        yield f"gives a name to more than one device: {', '.join(sorted(twice))}"


def _triggers(settings: BeamlineSettings) -> Iterable[str]:
    yield from (camera.trigger for camera in settings.cameras.values())
    yield from (mca.trigger for mca in settings.mcas.values())


def _named(settings: BeamlineSettings) -> Iterable[dict[str, Any]]:
    yield from (settings.motors, settings.pmac, settings.panda, settings.cameras, settings.scalers, settings.mcas)
    yield from (settings.shutters, settings.valves, settings.rings, settings.temperatures)
