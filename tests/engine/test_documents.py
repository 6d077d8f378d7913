import math
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.documents import encode
from wingbeat.engine.errors import DocumentError
from wingbeat.engine.plans import count, scan
from wingbeat.engine.stubs import create, read, run, save, trigger_and_read

from tests.engine.conftest import Collected


async def test_a_count_is_valid_and_in_order(engine: RunEngine, docs: Collected, det: SoftDetector) -> None:
    handle = await engine(count([det], num=3))
    assert docs.names == ["start", "descriptor", "event", "event", "event", "stop"]
    docs.check_schemas()
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]
    assert [doc["data"]["det"] for doc in docs.of("event")] == [1.0, 2.0, 3.0]
    assert docs.of("stop")[0]["num_events"] == {"primary": 3}
    assert handle.uid == docs.of("start")[0]["uid"] == docs.of("stop")[0]["run_start"]
    assert handle.exit_status == "success"


async def test_a_scan_visits_its_points(engine: RunEngine, docs: Collected, det: SoftDetector, x: SoftMotor) -> None:
    handle = await engine(scan([det], x, 0, 1, 5))
    docs.check_schemas()
    assert [doc["data"]["x"] for doc in docs.of("event")] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert list(handle["primary"]["x"]) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert docs.of("start")[0]["hints"] == {"dimensions": [[["x"], "primary"]]}


async def test_metadata_keep_their_precedence(engine: RunEngine, docs: Collected, det: SoftDetector) -> None:
    engine.md["sample"] = "engine"
    engine.md["user"] = "engine"
    await engine(count([det], md={"user": "plan", "plan_args": "plan"}), plan_args="call")
    start = docs.of("start")[0]
    assert (start["sample"], start["user"], start["plan_args"]) == ("engine", "plan", "call")
    assert (start["plan_name"], start["plan_type"], start["scan_id"]) == ("count", "plan", 1)


async def test_create_read_save_make_one_event(
    engine: RunEngine, docs: Collected, x: SoftMotor, det: SoftDetector
) -> None:
    @plan
    async def one() -> None:
        async with run():
            await create("primary")
            await read(x)
            await read(det)
            await save()

    await engine(one())
    assert list(docs.of("event")[0]["data"]) == ["x", "det"]
    assert docs.of("descriptor")[0]["object_keys"] == {"x": ["x"], "det": ["det"]}


async def test_extra_keys_of_close_run_stand_in_the_stop_document(engine: RunEngine, docs: Collected) -> None:
    from wingbeat.engine.stubs import close_run, open_run

    @plan
    async def closing() -> None:
        await open_run()
        await close_run("success", "all flown", frames={"cam": {"planned": 5}})

    await engine(closing())
    stop = docs.of("stop")[0]
    assert (stop["reason"], stop["frames"]) == ("all flown", {"cam": {"planned": 5}})
    docs.check_schemas()


async def test_metadata_that_the_schema_refuses_fail_at_open_run(engine: RunEngine, det: SoftDetector) -> None:
    with pytest.raises(DocumentError, match=r"start document.*sample\.name"):
        await engine(count([det], md={"sample.name": "no dots"}))


class _Unsteady(SoftDetector):
    """Reads other keys than it describes."""

    async def read(self) -> dict[str, Any]:
        return {"det": {"value": 1.0, "timestamp": 0.0}, "extra": {"value": 1.0, "timestamp": 0.0}}


async def test_a_reading_that_was_not_described_is_refused(engine: RunEngine, docs: Collected) -> None:
    with pytest.raises(DocumentError, match="extra"):
        await engine(count([_Unsteady("det")]))
    assert docs.of("event") == []
    assert docs.of("stop")[0]["exit_status"] == "fail"


async def test_two_runs_of_one_plan_are_two_runs(engine: RunEngine, docs: Collected, det: SoftDetector) -> None:
    @plan
    async def twice() -> None:
        for _ in range(2):
            async with run():
                await trigger_and_read([det])

    await engine(twice())
    assert [doc["scan_id"] for doc in docs.of("start")] == [1, 2]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 1]


def _event(value: Any) -> dict[str, Any]:
    data = {"data": {"a": value}, "timestamps": {"a": 0.0}, "time": 0.0}
    return {**data, "uid": "u", "seq_num": 1, "filled": {}, "descriptor": "d"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float64(1.5), 1.5),
        (np.int32(3), 3),
        (np.arange(3), [0, 1, 2]),
        (np.zeros((2, 3))[:, ::2], [[0.0, 0.0], [0.0, 0.0]]),
        ((1, (2, 3)), [1, [2, 3]]),
        (Path("/data"), "/data"),
        (math.nan, None),
    ],
)
def test_values_of_numpy_and_python_are_written_as_json(value: Any, written: Any) -> None:
    assert orjson.loads(encode("event", _event(value)))["data"]["a"] == written


def test_what_json_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(DocumentError, match="object"):
        encode("event", _event(object()))


def test_a_document_without_a_required_key_is_refused() -> None:
    doc = _event(1)
    del doc["seq_num"]
    with pytest.raises(DocumentError, match="seq_num"):
        encode("event", doc)


def test_a_seq_num_of_the_wrong_type_is_refused_beside_numpy_values() -> None:
    with pytest.raises(DocumentError, match="seq_num"):
        encode("event", {**_event(np.float64(1)), "seq_num": "one"})
