"""What the beamline consists of, read from YAML; without a file, the beamline of the demo."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import SettingsError


class Section(BaseModel):
    """A part of the settings file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MotorSettings(Section):
    """A motor record.

    Attributes:
        units: Engineering units.
        start: Position at start-up, in units.
        resolution: Units per encoder count.
        low_limit: Soft limit.
        high_limit: Soft limit.
        velocity: VELO in units per second.
        max_velocity: VMAX; 0 = no limit.
        acceleration_time: ACCL in seconds.
        precision: PREC.
    """

    units: str = "mm"
    start: float = 0.0
    resolution: float = Field(default=1e-4, gt=0)
    low_limit: float = -20.0
    high_limit: float = 40.0
    velocity: float = Field(default=10.0, gt=0)
    max_velocity: float = Field(default=50.0, ge=0)
    acceleration_time: float = Field(default=0.1, gt=0)
    precision: int = 4


class PmacSettings(Section):
    """A trajectory controller.

    Attributes:
        port: Port name of its coordinate system.
        axes: Motor name of each coordinate-system axis.
    """

    port: str = "CS1"
    axes: dict[str, str] = {"X": "X", "Y": "Y"}


class PandaSettings(Section):
    """A trigger box.

    Attributes:
        encoders: Motor name of each encoder input.
    """

    encoders: dict[str, str] = {"INENC1": "X", "INENC2": "Y"}


class CameraSettings(Section):
    """A camera with its HDF5 writer.

    Attributes:
        trigger: Output of the trigger box that is wired to it.
        width: Pixels.
        height: Pixels.
        readout_time: Dead time after each exposure, in seconds.
        picture_axes: Motor names of the sample's horizontal and vertical axis.
    """

    trigger: str = "TTLOUT1"
    width: int = Field(default=64, ge=4, le=2048)
    height: int = Field(default=64, ge=1, le=2048)
    readout_time: float = Field(default=5e-5, ge=0)
    picture_axes: tuple[str, str] = ("X", "Y")


class FaultSettings(Section):
    """Faults present from the start; the fields of `Faults`."""

    lose_triggers: list[int] = []
    drop_frames: list[int] = []
    stall_camera_at: int = Field(default=0, ge=0)


class BeamlineSettings(Section):
    """Everything that is served.

    Attributes:
        prefix: What every PV name begins with.
        seed: Of everything drawn at random.
        motors: Motor records by name.
        pmac: Trajectory controllers by name.
        panda: Trigger boxes by name; at most one so far.
        cameras: Cameras by name.
        faults: What shall go wrong.
    """

    prefix: str = "SIM:"
    seed: int = 0
    motors: dict[str, MotorSettings] = {"X": MotorSettings(), "Y": MotorSettings()}
    pmac: dict[str, PmacSettings] = {"PMAC": PmacSettings()}
    panda: dict[str, PandaSettings] = Field(default={"PANDA": PandaSettings()}, max_length=1)
    cameras: dict[str, CameraSettings] = {"CAM": CameraSettings()}
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
    named = {name for pmac in settings.pmac.values() for name in pmac.axes.values()}
    named |= {name for panda in settings.panda.values() for name in panda.encoders.values()}
    named |= {name for camera in settings.cameras.values() for name in camera.picture_axes}
    if unknown := named - settings.motors.keys():
        names = ", ".join(sorted(unknown))
        msg = f"settings file {path} wires motors that it does not define: {names}; add them under motors"
        raise SettingsError(msg)
    return settings
