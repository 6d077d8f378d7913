"""Does what is served equal what is in the files, and lie where it was planned?"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data_api.client import DataClient
from ..engine import Run
from ..flyscan.scan import Scan
from ..stream_resource import FrameRange
from ..stream_resource.array_reader import ArrayReader
from .live import LiveReader

BATCH = 200
"""Frames per request."""

INGEST_TIMEOUT = 30.0
"""Seconds after which the data API must have taken up the stop document."""

POSITION_TOLERANCE = 0.1
"""How far a recorded position may be from the planned one: this part of the frame's own travel, plus two counts."""


class Column(NamedTuple):
    """Where the positions of an axis are recorded: the data key, and its unit per encoder count."""

    key: str
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the comparison found.

    Attributes:
        live_read: Frames read over HTTP while the scan went on.
        live_differ: Those of them that differ from the file.
        read: Frames read over HTTP afterwards.
        differ: Those of them that differ from the file.
        worst: Per axis, the largest deviation of a recorded position from the planned one, in the axis' unit.
        astray: Frames whose recorded position is further from the plan than it may be.
    """

    live_read: int
    live_differ: tuple[int, ...]
    read: int
    differ: tuple[int, ...]
    worst: Mapping[str, float]
    astray: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs and nothing is astray."""
        return not (self.live_differ or self.differ or self.astray)


async def wait_until_ingested(client: DataClient, uid: str) -> dict[str, Any]:
    """Give the data API's ledger as soon as it has seen the end of the run.

    Raises:
        TimeoutError: It has not seen it in time.
    """
    async with asyncio.timeout(INGEST_TIMEOUT):
        # The API does not announce the end of a run yet, so it is asked again.
        while (ledger := await asyncio.to_thread(client.ledger, uid))["exit_status"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return ledger


def compare(client: DataClient, run: Run, scan: Scan, *, live: LiveReader, columns: Mapping[str, Column]) -> Findings:
    """Read every frame over HTTP and compare it with the file; compare recorded with planned positions. Blocks.

    Args:
        client: Of the data API.
        run: What was flown; it reads the files.
        scan: What was planned.
        live: What was read while it flew.
        columns: Per axis, where its positions are recorded.
    """
    camera = _array(run, live.key)
    read, differ = _compare_frames(client, run, key=live.key)
    worst, astray = _compare_positions(run, scan, columns)
    return Findings(
        live_read=len(live.frames),
        live_differ=tuple(frame for frame, image in live.frames.items() if not np.array_equal(camera[frame], image)),
        read=read,
        differ=differ,
        worst=worst,
        astray=astray,
    )


def _array(run: Run, key: str) -> ArrayReader:
    """The frames of a key, read from the files."""
    return ArrayReader(run.index.streams["primary"].arrays[key])


def _compare_frames(client: DataClient, run: Run, *, key: str) -> tuple[int, tuple[int, ...]]:
    camera = _array(run, key)
    read, differ = 0, list[int]()
    for start in range(0, len(camera), BATCH):
        wanted = FrameRange(start, min(start + BATCH, len(camera)))
        numbers, expected = camera.good(wanted)
        served = client.frames(run.uid, key, start=wanted.start + 1, stop=wanted.stop + 1)
        same = list(served.seq_nums.indices()) == (numbers + 1).tolist() and served.data.dtype == expected.dtype
        equal = (served.data == expected).all(axis=(1, 2)) if same else np.zeros(len(numbers), np.bool_)
        read += len(served.data)
        differ += numbers[~equal].tolist()
    return read, tuple(differ)


def _compare_positions(run: Run, scan: Scan, columns: Mapping[str, Column]) -> tuple[dict[str, float], tuple[int, ...]]:
    worst, astray = dict[str, float](), set[int]()
    planned = scan.positions(FrameRange(0, scan.planned))
    for axis, column in columns.items():
        frames, recorded = _array(run, column.key).good()
        deviation = np.abs(recorded - planned[axis][frames])
        worst[axis] = float(deviation.max(initial=0.0))
        allowed = POSITION_TOLERANCE * _travel(planned[axis]) + 2 * column.scale
        astray.update(frames[deviation > allowed].tolist())
        astray.update(set(range(scan.planned)) - set(frames.tolist()))  # nobody recorded where these were taken
    return worst, tuple(sorted(astray))


def _travel(positions: NDArray[np.float64]) -> float:
    """The smallest step between neighbouring frames that is a step at all."""
    steps = np.abs(np.diff(positions))
    return float(steps[steps > 0].min(initial=np.inf)) if (steps > 0).any() else 0.0
