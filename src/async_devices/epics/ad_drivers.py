"""Drivers of particular cameras: the PVs, trigger modes and rules that are theirs."""

from collections.abc import Mapping
from typing import ClassVar

from ..datatypes import SubsetEnum
from ..flight import Identity, TriggerInfo, TriggerKind
from ..signals import signal_r, signal_rbv
from .ad_block import optional_r, optional_rbv
from .ad_driver import AdDriver, ImageMode


class SimDriver(AdDriver):
    """ADSimDetector: computes its images, takes no triggers, stamps when an image is ready."""

    trigger_modes: ClassVar[Mapping[TriggerKind, str]] = {"internal": "Internal"}
    size_counts_binned: ClassVar[bool | None] = False

    def __init__(self, prefix: str) -> None:
        self.sim_mode = optional_rbv(str, f"{prefix}SimMode")
        self.gain = optional_rbv(float, f"{prefix}Gain")
        super().__init__(prefix)


class OnOff(SubsetEnum):
    """TriggerMode of GenICam cameras."""

    OFF = "Off"
    ON = "On"


class AravisDriver(AdDriver):
    """ADAravis: GigE and USB3 Vision cameras; edges on Line1."""

    trigger_modes: ClassVar[Mapping[TriggerKind, str]] = {"internal": OnOff.OFF, "edge": OnOff.ON}
    size_counts_binned: ClassVar[bool | None] = True
    deadtimes: ClassVar[Mapping[str, float]] = {
        "Manta G-125": 63e-6,
        "Manta G-145": 106e-6,
        "Manta G-235": 390e-6,
        "Manta G-609": 47e-6,
        "Manta G-895": 822e-6,
        "Manta G-2460": 1961e-6,
        "Mako G-040": 217e-6,
        "Mako G-125": 70e-6,
        "Mako G-234": 726e-6,
        "Mako G-507": 554e-6,
    }
    """Seconds per model, of the maker's technical manuals: the longest of all pixel formats."""

    def __init__(self, prefix: str) -> None:
        self.trigger_source = signal_rbv(str, f"{prefix}TriggerSource")
        super().__init__(prefix)

    async def select_trigger(self, value: TriggerInfo) -> None:
        """TriggerMode first and alone, then TriggerSource: written together, the firmware may take neither."""
        await super().select_trigger(value)
        if value.kind == "edge":
            await self.trigger_source.put("Line1")

    async def rule_for_deadtime(self) -> float | None:
        """By Model_RBV; None for a model that is not in the table."""
        return self.deadtimes.get(await self.model.value_or(""))


class PilatusDriver(AdDriver):
    """ADPilatus, PILATUS3 unless `readout` says otherwise (2.28e-3 s for a PILATUS2).

    "Ext. Trigger" starts a whole series with one edge, so it serves bursts; one exposure per edge is "Mult. Trigger".
    The IOC reads the files of camserver, long after the exposure: its stamps recognise nothing.
    """

    trigger_modes: ClassVar[Mapping[TriggerKind, str]] = {
        "internal": "Internal",
        "edge": "Mult. Trigger",
        "gate": "Ext. Enable",
        "burst": "Ext. Trigger",
    }
    default_identity: ClassVar[Identity] = Identity.COUNT_ONLY
    most_images: ClassVar[int | None] = 999_999
    readout: ClassVar[float] = 0.95e-3

    def __init__(self, prefix: str) -> None:
        self.armed = signal_r(bool, f"{prefix}Armed")
        super().__init__(prefix)

    async def set_images(self, value: TriggerInfo) -> None:
        """A series has an end: as long as is known, else as long as can be."""
        most = type(self).most_images or 1
        number = value.frames_per_trigger if value.kind == "burst" else value.total_frames or most
        if value.kind == "internal":
            number = value.frames_per_kickoff or most
        await self.image_mode.put(ImageMode.MULTIPLE)
        await self.num_images.put(number)

    async def wait_armed(self, timeout: float) -> None:
        """Armed is set when camserver waits for triggers, after Acquire_RBV."""
        await self.armed.wait_for_value(True, timeout=timeout)

    async def rule_for_deadtime(self) -> float | None:
        """The read-out time of the model."""
        return self.readout


class EigerDriver(AdDriver):
    """ADEiger, with frames from its stream (DataSource Stream) through the HDF5 plug-in.

    An edge starts a series of NumImages, NumTriggers times. Frames come in parts over the network: their stamps
    recognise nothing.
    """

    trigger_modes: ClassVar[Mapping[TriggerKind, str]] = {
        "internal": "Internal Series",
        "edge": "External Series",
        "gate": "External Enable",
        "burst": "External Series",
    }
    default_identity: ClassVar[Identity] = Identity.COUNT_ONLY
    most_images: ClassVar[int | None] = 100_000
    readout: ClassVar[float] = 1e-4
    """Seconds, where DeadTime_RBV is not served."""

    def __init__(self, prefix: str) -> None:
        self.num_triggers = signal_rbv(int, f"{prefix}NumTriggers")
        self.manual_trigger = signal_rbv(bool, f"{prefix}ManualTrigger")
        self.armed = signal_r(bool, f"{prefix}Armed")
        self.data_source = signal_rbv(str, f"{prefix}DataSource")
        self.photon_energy = optional_rbv(float, f"{prefix}PhotonEnergy")
        self.bit_depth = optional_r(int, f"{prefix}BitDepthImage_RBV")
        super().__init__(prefix)

    async def select_trigger(self, value: TriggerInfo) -> None:
        """The mode; no manual triggers; frames come as a stream, not as files on the detector."""
        await super().select_trigger(value)
        await self.manual_trigger.put(False)
        await self.data_source.put("Stream")

    async def set_images(self, value: TriggerInfo) -> None:
        """NumTriggers series of NumImages; internal, one series per kickoff."""
        most = type(self).most_images or 1
        internal = value.kind == "internal"
        triggers = 1 if internal else value.frames * value.kickoffs or most
        await self.num_triggers.put(triggers)
        await self.num_images.put((value.frames_per_kickoff or most) if internal else value.frames_per_trigger)

    async def wait_armed(self, timeout: float) -> None:
        """Arming takes seconds; Armed says when it is done."""
        await self.armed.wait_for_value(True, timeout=timeout)

    async def rule_for_deadtime(self) -> float | None:
        """The read-out time of an Eiger."""
        return self.readout
