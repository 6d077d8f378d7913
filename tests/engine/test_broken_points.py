"""Points that are broken off after their detectors have written: every row is announced, and the next point goes on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import CollectError, OperationFailedError
from wingbeat.engine.stubs import create, read, run, trigger, trigger_and_read

from tests.engine.conftest import Collected
from tests.engine.test_steps import Camera, rowmap_of


class Shaky:
    """A detector whose `read`, or whose asset documents, fail as often as the test says."""

    parent = None

    def __init__(self, *, reads: int = 0, assets: int = 0) -> None:
        self.name = "shaky"
        self.reads, self.assets = reads, assets

    async def describe(self) -> dict[str, Any]:
        return {"shaky": {"source": "soft://shaky", "dtype": "number", "shape": []}}

    async def read(self) -> dict[str, Any]:
        self.reads -= 1
        if self.reads >= 0:
            raise OSError("no answer")
        return {"shaky": {"value": 1.0, "timestamp": 0.0}}

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        self.assets -= 1
        if self.assets >= 0:
            raise OSError("no file")
        for nothing in ():
            yield nothing


class Still:
    """An axis that does not move, for the camera to stamp its rows with."""

    async def locate(self) -> dict[str, float]:
        return {"setpoint": 0.0, "readback": 0.0}


@pytest.mark.parametrize("shaky", [Shaky(reads=2), Shaky(assets=2)], ids=["read", "asset documents"])
async def test_a_point_that_fails_behind_its_exposure_announces_its_row_and_can_be_taken_again(
    engine: RunEngine, docs: Collected, shaky: Shaky
) -> None:
    camera = Camera(Still())

    @plan
    async def insists() -> None:
        async with run():
            for _ in range(2):
                with pytest.raises(OperationFailedError):
                    await trigger_and_read([camera, shaky])
            await trigger_and_read([camera, shaky])
            await trigger_and_read([camera, shaky])

    await engine(insists())
    rows = rowmap_of(docs)
    assert rows.rows == len(camera.rows) == 4
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2]
    assert [rows.locate(n).row for n in (1, 2)] == [2, 3]


async def test_rows_that_nobody_has_read_are_excused_only_where_an_exposure_was_broken_off(
    engine: RunEngine, docs: Collected
) -> None:
    camera = Camera(Still())

    @plan
    async def forgets() -> None:
        async with run():
            await trigger(camera, wait=True)
            await trigger(camera, wait=True)
            await trigger_and_read([camera])

    with pytest.raises(CollectError, match="3 frames: expected one for one event"):
        await engine(forgets())


async def test_rows_of_an_event_that_is_open_when_its_run_is_closed_are_announced(
    engine: RunEngine, docs: Collected
) -> None:
    camera = Camera(Still())

    @plan
    async def breaks_off() -> None:
        async with run():
            await trigger_and_read([camera])
            await create()
            await trigger(camera, wait=True)
            await read(camera)

    await engine(breaks_off())
    assert rowmap_of(docs).rows == len(camera.rows) == 2
    assert [doc["seq_num"] for doc in docs.of("event")] == [1]
