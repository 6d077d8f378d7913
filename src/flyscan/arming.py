"""Bringing the hardware of a rig into a flight and out of it.

Order of arming. Detectors first (an areaDetector takes a tenth of a second, an Eiger seconds), the trigger table and
the motors beside them; then the profile, which starts where the motors stand; then the capture's file, then PCAP, so
that the trigger counter begins at nothing, and the sequencer last: it fires as soon as the axes come.
"""

from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import cast

from ..async_devices.flight import FlightDetector, TriggerInfo
from ..task_scope import together
from .errors import WiringError
from .hardware import FlightMotor, TrajectoryController, TriggerBox
from .preflight import Preflight
from .rig import Rig
from .trajectory import Trajectory
from .triggers import TriggerTable


class Crew:
    """The devices of one flight.

    Args:
        rig: The wiring and its devices.
        detectors: Those that are flown, without the trigger box's capture.
    """

    def __init__(self, rig: Rig, detectors: Sequence[FlightDetector]) -> None:
        self.rig = rig
        self.detectors = tuple(detectors)
        self.box = cast("TriggerBox", rig.trigger_box)
        self.controller = cast("TrajectoryController", rig.trajectory)
        self.waiting_for: list[str] = []

    @property
    def recorders(self) -> tuple[FlightDetector, ...]:
        """Whatever writes rows: the capture first, whose rows are the triggers, then the detectors."""
        return (self.box.capture, *self.detectors)

    async def arm(self, preflight: Preflight, *, trajectory: Trajectory, table: TriggerTable) -> None:
        """Make everything ready to fly; see above for the order. `waiting_for` says what is not done yet.

        Raises:
            WiringError: The trigger box is wired otherwise than the rig says.
            DeviceError: What the first device that cannot has to say.
        """
        frames = preflight.scan.planned
        info = TriggerInfo(kind="edge", livetime=table.livetime, deadtime=table.deadtime, frames=frames)
        number, box = self.rig.settings.trigger_box.sequencer, self.box
        self.waiting_for.clear()
        await self._step(f"{box.name}: routing", self._check_routing())
        await self._step(f"{box.name}: SEQ{number} to stop", box.disable_sequencer(number))
        await together(
            self._step(f"{box.name}: table of SEQ{number}", box.load_sequencer(table.columns(), number=number)),
            self._build(trajectory),
            *(self._step(f"{detector.name}: prepare", detector.prepare(info)) for detector in self.detectors),
        )
        await self._step(f"{box.name}: capture file", box.capture.prepare(info))
        await self._step(f"{box.name}: PCAP to arm", box.arm())
        await self._step(f"{box.name}: SEQ{number} to start", box.enable_sequencer(number))

    async def _check_routing(self) -> None:
        """Look again: the preflight may have been made a while ago.

        Raises:
            WiringError: The trigger box is wired otherwise than the rig says; nothing has moved.
        """
        if differences := self.rig.check_routing(await self.box.routing()):
            wrong = "; ".join(map(str, differences))
            msg = f"{self.box.name} is not wired as the rig says: {wrong}; wire it so or correct the rig file"
            raise WiringError(msg)

    async def _step(self, name: str, work: Awaitable[None]) -> None:
        """Wait for a step of arming; a cancelled or failed one stays in `waiting_for`."""
        self.waiting_for.append(name)
        await work
        self.waiting_for.remove(name)

    async def _build(self, trajectory: Trajectory) -> None:
        """Move to the start of the run-up and build the profile, which begins there."""
        motors = {axis: cast("FlightMotor", self.rig.motor(axis)) for axis in trajectory.start}
        start = trajectory.start
        await together(
            *(
                self._step(f"{motor.name}: move to {start[axis]:g}", motor.set(start[axis]))
                for axis, motor in motors.items()
            )
        )
        letters = {axis: self.rig.settings.axes[axis].cs_axis for axis in start}
        build = self.controller.build(
            coordinate_system=self.rig.settings.trajectory.coordinate_system,
            times_us=trajectory.times_us,
            positions={letters[axis]: values for axis, values in trajectory.positions.items()},
            velocities={letters[axis]: values for axis, values in trajectory.velocities.items()},
        )
        await self._step(f"{self.controller.name}: profile", build)

    async def disarm(self) -> None:
        """Give no more triggers and capture no more."""
        await self.box.disable_sequencer(self.rig.settings.trigger_box.sequencer)
        await self.box.disarm()

    async def make_safe(self) -> None:
        """Stop motion, then triggers, then detectors; each is stopped even if the one before could not be."""
        async with AsyncExitStack() as stack:
            for recorder in self.recorders:
                stack.push_async_callback(_stop, recorder)
            stack.push_async_callback(self.box.disarm)
            stack.push_async_callback(self.box.disable_sequencer, self.rig.settings.trigger_box.sequencer)
            stack.push_async_callback(self.controller.abort)


async def _stop(recorder: FlightDetector) -> None:
    stopping = recorder.stop(success=False)
    if stopping is not None:
        await stopping
