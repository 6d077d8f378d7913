"""Pmac: a PMAC's trajectory scan (the profileMove PVs of the DLS pmac module).

A profile is a list of points; at its time each axis is at its position with its velocity, and cubic between (PVT).
Build loads it, execute runs it once: every execution needs a build. Neither's put completion is success: the status
PV is.

A long trajectory is fed while it runs. The controller plays out of two half buffers and its driver refills the one that
is not played; it takes appended points as long as it executes. So the first profile is built, and each further one is
appended as soon as no more than `watermark` of the points sent are still to be played:

    sent    |================|================|        append when sent - TotalPoints_RBV <= watermark
    played  |==========>     .                .
                       |<-- still to play --->|

A feed that comes too late shows in the execution's status and message, and in nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...task_scope import alongside, task_scope, together
from ..datatypes import SubsetEnum
from ..device import Device, DeviceVector
from ..errors import BuildFailedError, DeviceError, ExecuteFailedError
from ..signals import signal_r, signal_rw, signal_x
from ..status import Progress, Report, Status
from ..verbs import status_verb
from .coordinate_system import CoordinateSystem
from .errors import AppendFailedError
from .pmac_profile import AXES, Floats, Profile, UserPrograms

BUILD_TIMEOUT = 60.0
ABORT_TIMEOUT = 30.0
GRACE = 30.0
"""Seconds that an execution may take beyond the sum of its profile."""
FOREVER = 1e9
"""Seconds: longer than any trajectory; the deadline grows with what is appended."""
WATERMARK = 4000
"""Points still to be played at which more are sent: two refills of both half buffers of 1000."""


class ProfileStatus(SubsetEnum):
    """How a build or an execution ended."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    UNDEFINED = "Undefined"


class ProfileAxis(Device):
    """One axis of the coordinate system."""

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon, as ca://SIM:PMAC:X:."""
        self.positions = signal_rw(Floats, f"{prefix}Positions")
        self.velocities = signal_rw(Floats, f"{prefix}Velocities")
        self.use = signal_rw(bool, f"{prefix}UseAxis")
        super().__init__()


class Pmac(Device):
    """A trajectory controller."""

    def __init__(
        self, prefix: str, *, coordinate_systems: Iterable[str] = (), protocol: str = "ca", name: str = ""
    ) -> None:
        """Name a controller.

        Args:
            prefix: With the colon, as SIM:PMAC:.
            coordinate_systems: Names of those whose axes are to be moved together, as CS1; each is at prefix + name.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.time_array = signal_rw(Floats, f"{pv}ProfileTimeArray")
        self.user_array = signal_rw(UserPrograms, f"{pv}UserArray")
        self.axes = DeviceVector({letter: ProfileAxis(f"{pv}{letter}:") for letter in AXES})
        self.points_to_build = signal_rw(int, f"{pv}ProfilePointsToBuild")
        self.cs_name = signal_rw(str, f"{pv}ProfileCsName")
        self.calculate_velocities = signal_rw(bool, f"{pv}ProfileCalcVel")
        self.build_profile = signal_x(f"{pv}ProfileBuild")
        self.build_status = signal_r(ProfileStatus, f"{pv}ProfileBuildStatus_RBV")
        self.build_message = signal_r(str, f"{pv}ProfileBuildMessage_RBV")
        self.append_profile = signal_x(f"{pv}ProfileAppend")
        self.append_status = signal_r(ProfileStatus, f"{pv}ProfileAppendStatus_RBV")
        self.append_message = signal_r(str, f"{pv}ProfileAppendMessage_RBV")
        self.execute_profile = signal_rw(bool, f"{pv}ProfileExecute")
        self.execute_state = signal_r(str, f"{pv}ProfileExecuteState_RBV")
        self.execute_status = signal_r(ProfileStatus, f"{pv}ProfileExecuteStatus_RBV")
        self.execute_message = signal_r(str, f"{pv}ProfileExecuteMessage_RBV")
        self.abort_profile = signal_x(f"{pv}ProfileAbort")
        self.total_points = signal_r(int, f"{pv}TotalPoints_RBV")
        systems = {cs: CoordinateSystem(f"{prefix}{cs}:", protocol=protocol) for cs in coordinate_systems}
        self.coordinate_systems = DeviceVector(systems)
        self._points = 0
        self._seconds = 0.0
        self._deadline: asyncio.Timeout | None = None
        super().__init__(name)

    async def build(
        self,
        *,
        coordinate_system: str,
        times_us: NDArray[np.int64],
        positions: Mapping[str, Floats],
        velocities: Mapping[str, Floats],
    ) -> None:
        """Load a profile.

        Args:
            coordinate_system: Its port, as CS1.
            times_us: Of each point, the duration of the segment that ends there, whole microseconds.
            positions: Per axis letter, one per point, in the motor's units.
            velocities: Per axis letter, one per point, units per second.

        Raises:
            BuildFailedError: Arrays of unlike length, a segment too long, or the controller refused; with its message.
        """
        profile = Profile(times_us=times_us, positions=positions, velocities=velocities)
        await self.load(profile, coordinate_system=coordinate_system)

    async def load(self, profile: Profile, *, coordinate_system: str) -> None:
        """Load a profile, as `build` does.

        Raises:
            BuildFailedError: It cannot be run, or the controller refused it; with its message.
        """
        profile.check(name=self.name)
        await together(
            self.cs_name.put(coordinate_system),
            self.calculate_velocities.put(False),
            *(axis.use.put(letter in profile.positions) for letter, axis in self.axes.items()),
        )
        await self._send(profile)
        await self.build_profile.act(wait=True, timeout=BUILD_TIMEOUT)
        status, message = await together(self.build_status.get_value(), self.build_message.get_value())
        if status != ProfileStatus.SUCCESS:
            msg = f"{self.name}: the controller refused the profile of {profile.points} points ({status}): {message}"
            raise BuildFailedError(msg)
        self._points, self._seconds = profile.points, profile.seconds

    async def _send(self, profile: Profile) -> None:
        await together(
            self.points_to_build.put(profile.points),
            self.time_array.put(np.asarray(profile.times_us, np.float64)),
            self.user_array.put(profile.user_programs),
            *(self.axes[letter].positions.put(values) for letter, values in profile.positions.items()),
            *(self.axes[letter].velocities.put(values) for letter, values in profile.velocities.items()),
        )

    async def append(self, profile: Profile) -> None:
        """Give a running execution more points, of the same axes.

        Raises:
            BuildFailedError: It cannot be run; nothing was sent.
            AppendFailedError: The controller refused it, or executes nothing; with its message.
        """
        profile.check(name=self.name)
        await self._send(profile)
        await self.append_profile.act(wait=True, timeout=BUILD_TIMEOUT)
        status, message = await together(self.append_status.get_value(), self.append_message.get_value())
        if status != ProfileStatus.SUCCESS:
            msg = (
                f"{self.name}: the controller did not take {profile.points} points behind the {self._points} it has "
                f"({status}): {message}"
            )
            raise AppendFailedError(msg)
        self._points, self._seconds = self._points + profile.points, self._seconds + profile.seconds
        if self._deadline is not None and (when := self._deadline.when()) is not None:
            self._deadline.reschedule(when + profile.seconds)

    @status_verb
    def execute(self) -> Status:
        """Run the profile that was built; done when it has ended.

        Raises:
            ExecuteFailedError: Through the Status: it did not reach its end; with the controller's message.
        """
        return Status.reporting(self._execute, name=f"{self.name} execute", owner=self.tasks)

    @status_verb
    def stream(self, profiles: Iterable[Profile], *, coordinate_system: str, watermark: int = WATERMARK) -> Status:
        """Run profiles as one trajectory, sent piece by piece while it runs; done when the last has ended.

        Args:
            profiles: Consumed as they are needed. Each begins where, and as fast as, the one before it ends.
            coordinate_system: Its port, as CS1.
            watermark: Points still to be played at which the next profile is sent.

        Raises:
            BuildFailedError: Through the Status: the first cannot be loaded, or any cannot be run.
            AppendFailedError: Through the Status: a further one was refused; what was sent is aborted.
            ExecuteFailedError: Through the Status: it did not reach its end, for example because the feed was late.
        """
        feed = iter(profiles)
        return Status.reporting(
            lambda report: self._stream(feed, coordinate_system, watermark, report),
            name=f"{self.name} stream",
            owner=self.tasks,
        )

    async def _stream(self, feed: Iterator[Profile], coordinate_system: str, watermark: int, report: Report) -> None:
        first = next(feed, None)
        if first is None:
            msg = f"{self.name}: no profile was given; nothing has moved"
            raise BuildFailedError(msg)
        await self.load(first, coordinate_system=coordinate_system)
        try:
            async with task_scope() as group:
                group.create_task(self._feed(feed, watermark))
                await self._execute(report)
        except (BuildFailedError, AppendFailedError):
            await self.abort()
            raise

    async def _feed(self, feed: Iterator[Profile], watermark: int) -> None:
        await self.execute_state.wait_for_value("Executing")
        played: AsyncIterator[int] = self.total_points.observe()
        for profile in feed:
            async for points in played:
                if self._points - points <= watermark:
                    break
            await self.append(profile)

    async def _execute(self, report: Report) -> None:
        begun = asyncio.get_running_loop().time()
        running = self.execute_profile.put(True, wait=True, timeout=FOREVER)
        try:
            async with asyncio.timeout(self._seconds + GRACE) as deadline:
                self._deadline = deadline
                await alongside(running, self._report_progress(begun, report))
        except TimeoutError as error:
            if isinstance(error, DeviceError):
                raise
            msg = (
                f"{self.name}: the profile still runs after {self._seconds + GRACE:.0f} s, {self._seconds:.1f} s "
                "expected: abort it"
            )
            raise ExecuteFailedError(msg) from error
        finally:
            self._deadline = None
        status, message = await together(self.execute_status.get_value(), self.execute_message.get_value())
        if status != ProfileStatus.SUCCESS:
            msg = f"{self.name}: the profile did not run to its end ({status}): {message}"
            raise ExecuteFailedError(msg)
        report(self._progress(self._points, begun))

    async def _report_progress(self, begun: float, report: Report) -> None:
        async for points in self.total_points.observe():
            report(self._progress(points, begun))

    def _progress(self, points: int, begun: float) -> Progress:
        elapsed = asyncio.get_running_loop().time() - begun
        return Progress(
            name=self.name,
            current=points,
            initial=0,
            target=self._points,
            unit="points",
            precision=0,
            fraction=min(points / max(self._points, 1), 1.0),
            time_elapsed=elapsed,
            time_remaining=max(self._seconds - elapsed, 0.0),
        )

    async def abort(self) -> None:
        """Stop all axes of a running profile, in control; its `execute` fails. Without one, nothing happens.

        Raises:
            WaitTimeoutError: It still runs.
        """
        await self.abort_profile.act(wait=False)  # never with a callback: it would queue behind the execution's
        await self.execute_state.wait_for_value("Done", timeout=ABORT_TIMEOUT)

    async def stop(self, success: bool = True) -> Any:  # noqa: FBT001, FBT002  # bluesky's signature
        """As `abort`."""
        del success
        await self.abort()
