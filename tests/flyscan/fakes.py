"""A trigger box, a trajectory controller, motors and cameras on the loop's clock; and a sequencer to play tables on."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
from wingbeat.async_devices.errors import AssetsNotReadyError, ExecuteFailedError
from wingbeat.async_devices.flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo
from wingbeat.async_devices.protocols import Status
from wingbeat.flyscan.preflight import Scale
from wingbeat.flyscan.rig import Rig, RigSettings
from wingbeat.stream_resource.frames import FrameRange

EPOCH_NS = 1_700_000_000_000_000_000
STEP_US = 10.0


def rig_settings(**changes: Any) -> RigSettings:
    axes = {
        name: {
            "motor": name,
            "cs_axis": name.upper(),
            "encoder": f"INENC{number}",
            "input": f"POS{letter}",
            "scale": 1e-4,
            "max_velocity": 30,
            "max_acceleration": 400,
        }
        for number, (name, letter) in enumerate([("x", "A"), ("y", "B")], start=1)
    }
    blocks = ["SEQ1", "PCAP", "COUNTER1", "INENC1", "INENC2", "DATA"]
    content = {
        "trigger_box": {"device": "panda", "blocks": blocks},
        "trajectory": {"device": "pmac", "coordinate_system": "CS1"},
        "axes": axes,
        "detectors": {"cam": {"input": "TTLOUT1"}},
    }
    return RigSettings.model_validate(content | changes)


def play(table, trajectory, settings: RigSettings) -> np.ndarray:
    """Run the table on the trajectory as the sequencer would: times (µs) at which the live output rises.

    Written against the PandA's description, not against `encode`: a row looks at its condition at every repeat.
    """
    times = np.arange(0.0, float(trajectory.times_us.sum()) + STEP_US, STEP_US)
    counts = {
        wiring.input: np.rint((trajectory.curve(axis).at(times).position - wiring.offset) / wiring.scale)
        for axis, wiring in settings.axes.items()
        if axis in trajectory.positions
    }
    columns = table.columns()
    rises: list[float] = []
    now = 0.0
    for row in range(len(columns["repeats"])):
        trigger, position = str(columns["trigger"][row]), int(columns["position"][row])
        condition = None
        if match := re.fullmatch(r"(POS[ABC])(>=|<=)POSITION", trigger):
            values = counts[match[1]]
            condition = values >= position if match[2] == ">=" else values <= position
        for _ in range(int(columns["repeats"][row])):
            if condition is not None:
                first = int(np.ceil(now / STEP_US))
                ahead = condition[first:]
                if not ahead.any():
                    return np.array(rises)
                if not ahead[0]:
                    now = (first + int(np.argmax(ahead))) * STEP_US
            if columns["outa1"][row] and columns["time1"][row]:
                rises.append(now)
            now += (int(columns["time1"][row]) + int(columns["time2"][row])) * 0.008
    return np.array(rises)


class World:
    """What the fakes share: the log of what was done, the loaded table, the built profile, the time of the start."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.settings = rig_settings()
        self.columns: dict[str, np.ndarray] | None = None
        self.trajectory: Any = None
        self.table: Any = None
        self.started: float | None = None
        self.aborted = False
        self.fail_at: str | None = None
        self.hang_at: str | None = None

    async def do(self, what: str) -> None:
        self.log.append(what)
        if what == self.fail_at:
            raise ExecuteFailedError(f"{what} was told to fail")
        if what == self.hang_at:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)

    def rises(self) -> np.ndarray:
        """Seconds since the start of every trigger so far, or until the abort."""
        return self.trigger_times[self.trigger_times <= self.now]

    @property
    def now(self) -> float:
        if self.started is None:
            return -1.0
        return (self.ended if self.aborted else asyncio.get_running_loop().time()) - self.started

    trigger_times: np.ndarray = np.zeros(0)
    ended = 0.0


class FakeMotor:
    def __init__(self, world: World, name: str, limits=(-20.0, 40.0)) -> None:
        self.world, self.name, self._limits = world, name, limits
        self.position = 0.0

    async def limits(self) -> tuple[float, float]:
        return self._limits

    async def max_velocity(self) -> float:
        return 50.0

    def set(self, value: float) -> Status:
        self.position = value
        return Status(self.world.do(f"{self.name} set"), name=f"{self.name} set")


class FakeController:
    name = "pmac"

    def __init__(self, world: World) -> None:
        self.world = world
        self.profile: dict[str, Any] = {}
        self._abort = asyncio.Event()

    async def build(self, **profile: Any) -> None:
        self.profile = profile
        await self.world.do("pmac build")

    def execute(self) -> Status:
        return Status(self._execute(), name="pmac execute")

    async def _execute(self) -> None:
        loop = asyncio.get_running_loop()
        self.world.log.append("pmac execute")
        self.world.started = loop.time()
        seconds = float(self.profile["times_us"].sum()) * 1e-6
        try:
            async with asyncio.timeout(seconds):
                await self._abort.wait()
        except TimeoutError:
            return
        self.world.aborted, self.world.ended = True, loop.time()
        raise ExecuteFailedError("pmac: aborted")

    async def abort(self) -> None:
        self._abort.set()
        await self.world.do("pmac abort")


class Recorder:
    """Writes a row some time after each trigger; `lost` triggers make no exposure, `dropped` ones no row."""

    latency = 0.05
    step = 0.02

    def __init__(self, world: World, name: str, identity: Identity, *, keys=("image",), lost=(), dropped=()) -> None:
        self.world, self.name, self.identity = world, name, identity
        self.data_keys = tuple(f"{name}-{key}" for key in keys)
        self.lost, self.dropped = set(lost), set(dropped)
        self.stall_at: int | None = None
        self.prepared: TriggerInfo | None = None
        self.closed = False

    async def deadtime(self) -> float:
        return 5e-5

    async def describe_collect(self) -> Mapping[str, Any]:
        return {
            key: {"source": "fake", "dtype": "array", "shape": [1, 4, 4], "dtype_numpy": "<u2", "external": "STREAM:"}
            for key in self.data_keys
        }

    def prepare(self, value: TriggerInfo) -> Status:
        self.prepared = value
        return Status(self.world.do(f"{self.name} prepare"), name="prepare")

    async def assets(self) -> tuple[StreamAsset, ...]:
        if not self.rows():
            raise AssetsNotReadyError(self.name)
        uri = f"file://localhost/data/{self.name}.h5"
        return tuple(
            StreamAsset(data_key=key, uri=uri, dataset=f"/{key}", chunk_shape=(1, 4, 4)) for key in self.data_keys
        )

    def exposed(self) -> list[int]:
        triggered = int((self.world.rises() <= self.world.now - (0 if self.closed else self.latency)).sum())
        frames = [frame for frame in range(triggered) if frame not in self.lost]
        return frames if self.stall_at is None else [frame for frame in frames if frame < self.stall_at]

    def rows(self) -> list[tuple[int, int]]:
        """(frame, unique id) of every row written so far."""
        return [(frame, n + 1) for n, frame in enumerate(self.exposed()) if frame not in self.dropped]

    async def counts(self) -> DetectorCounts:
        exposed, rows = self.exposed(), self.rows()
        return DetectorCounts(exposed=len(exposed), written=len(rows), dropped=len(exposed) - len(rows))

    async def observe_written(self) -> AsyncIterator[int]:
        while True:
            yield len(self.rows())
            await asyncio.sleep(self.step)

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        part = self.rows()[rows.start : rows.stop]
        frames = np.array([frame for frame, _ in part], dtype=np.int64)
        return FrameIdentities(
            trigger_numbers=frames + 1 if self.identity is Identity.TRIGGER_COUNTER else None,
            times_ns=EPOCH_NS + np.rint(self.world.trigger_times[frames] * 1e9).astype(np.int64),
            unique_ids=np.array([uid for _, uid in part], dtype=np.int64),
        )

    def finish(self) -> Status:
        self.closed = True
        return Status(self.world.do(f"{self.name} finish"), name="finish")

    async def stop(self, success: bool = True) -> None:
        self.closed = True
        await self.world.do(f"{self.name} stop")

    def stage(self) -> Status:
        return Status.finished(name="stage")

    unstage = stage


class FakeBox:
    name = "panda"

    def __init__(self, world: World) -> None:
        self.world = world
        self.capture = Recorder(world, "panda", Identity.TRIGGER_COUNTER, keys=("ts", "x"))
        self.seen_routing = world.settings.expected_routing()
        self.state = {"SEQ1": "OK", "PCAP": "OK"}

    async def arm(self) -> None:
        await self.world.do("panda arm")

    async def disarm(self) -> None:
        await self.world.do("panda disarm")

    async def enable_sequencer(self, number: int = 1) -> None:
        await self.world.do("panda enable")

    async def disable_sequencer(self, number: int = 1) -> None:
        await self.world.do("panda disable")

    async def load_sequencer(self, table, *, number=1, prescale_ticks=1, repeats=1) -> None:
        self.world.columns = table
        await self.world.do("panda load")

    async def routing(self) -> Mapping[str, str]:
        return self.seen_routing

    async def encoder_scales(self) -> Mapping[str, Scale]:
        return {"INENC1": Scale(1e-4, 0.0), "INENC2": Scale(1e-4, 0.0)}

    async def health(self) -> Mapping[str, str]:
        return self.state


def fake_rig(world: World, camera: Recorder) -> Rig:
    return Rig(
        world.settings,
        {
            "panda": FakeBox(world),
            "pmac": FakeController(world),
            "x": FakeMotor(world, "x"),
            "y": FakeMotor(world, "y"),
            "cam": camera,
        },
    )
