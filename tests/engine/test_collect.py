from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.assets import AssetPacker
from wingbeat.engine.errors import CollectError, IllegalMessageError
from wingbeat.engine.stream import Description, Stream
from wingbeat.engine.stubs import collect, declare_stream, null, run, trigger_and_read
from wingbeat.stream_resource import FrameRange, StreamComposer

from tests.engine.conftest import Collected


def _external(key: str) -> dict[str, Any]:
    return {"source": f"sim://{key}", "dtype": "array", "shape": [1, 4, 4], "dtype_numpy": "<u2", "external": "STREAM:"}


class Writer:
    """A detector that writes files; `written` frames are to be announced, numbered by the engine or by itself."""

    parent = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.written = 0
        self.numbered_from: int | None = None
        self._composer = StreamComposer()
        self._announced = 0

    async def describe_collect(self) -> dict[str, Any]:
        return {self.name: _external(self.name)}

    describe = describe_collect

    async def read(self) -> dict[str, Any]:
        self.written += 1
        return {}

    async def get_index(self) -> int:
        return self.written

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, Any]]:
        upto = self.written if index is None else index
        if self._announced == 0:
            yield (
                "stream_resource",
                self._composer.resource(
                    self.name, uri=f"file://localhost/{self.name}.h5", dataset="/data", chunk_shape=(1, 4, 4)
                ),
            )
        if upto > self._announced:
            rows = FrameRange(self._announced, upto)
            seq_nums = None if self.numbered_from is None else rows.shift(self.numbered_from)
            self._announced = upto
            yield "stream_datum", self._composer.datum(self.name, rows=rows, seq_nums=seq_nums)


def _numbers(docs: Collected, key: str) -> list[tuple[int, int]]:
    uids = {doc["uid"] for doc in docs.of("stream_resource") if doc["data_key"] == key}
    datums = [doc for doc in docs.of("stream_datum") if doc["stream_resource"] in uids]
    return [(doc["seq_nums"]["start"], doc["seq_nums"]["stop"]) for doc in datums]


async def test_the_engine_fills_in_what_devices_leave_to_it(engine: RunEngine, docs: Collected) -> None:
    cam, panda = Writer("cam"), Writer("panda")

    @plan
    async def fly() -> None:
        async with run():
            await declare_stream(cam, panda, name="primary", collect=True)
            for cam.written, panda.written in ((3, 5), (7, 6), (7, 7)):
                await collect(cam, panda, name="primary")

    await engine(fly())
    docs.check_schemas()
    start, descriptor = docs.of("start")[0], docs.of("descriptor")[0]
    assert docs.names[:4] == ["start", "descriptor", "stream_resource", "stream_datum"]
    assert {doc["run_start"] for doc in docs.of("stream_resource")} == {start["uid"]}
    assert {doc["descriptor"] for doc in docs.of("stream_datum")} == {descriptor["uid"]}
    assert _numbers(docs, "cam") == _numbers(docs, "panda") == [(1, 4), (4, 7), (7, 8)]
    assert docs.of("stop")[0]["num_events"] == {"primary": 7}


async def test_a_flight_numbers_its_frames_itself(engine: RunEngine, docs: Collected) -> None:
    cam = Writer("cam")
    cam.numbered_from = 1

    @plan
    async def fly() -> Any:
        async with run() as handle:
            await declare_stream(cam, name="primary", collect=True)
            cam.written = 4
            await collect(cam, name="primary")
            cam.written, cam.numbered_from = 6, 3  # frames 4 and 5 are missing: rows 4, 5 hold seq_nums 7 and 8
            await collect(cam, name="primary")
        return handle

    handle = await engine(fly())
    assert _numbers(docs, "cam") == [(1, 5), (7, 9)]
    assert [tuple(doc["indices"].values()) for doc in docs.of("stream_datum")] == [(0, 4), (4, 6)]
    array = handle.index.streams["primary"].arrays["cam"]
    assert (array.committed, array.rowmap.locate(7).row, array.rowmap.locate(5)) == (8, 4, None)


async def test_frames_that_leave_a_hole_fail_the_run(engine: RunEngine, docs: Collected) -> None:
    cam = Writer("cam")

    @plan
    async def fly() -> None:
        async with run():
            await declare_stream(cam, name="primary", collect=True)
            cam.written = 3
            await collect(cam, name="primary")
            cam._announced, cam._composer._open["cam"] = 5, _skipped(cam, 5)
            cam.written = 6
            await collect(cam, name="primary")

    with pytest.raises(CollectError, match="hole"):
        await engine(fly())
    assert _numbers(docs, "cam") == [(1, 4)]
    assert docs.of("stop")[0]["exit_status"] == "fail"


def _skipped(cam: Writer, rows: int) -> Any:
    from dataclasses import replace

    return replace(cam._composer._open["cam"], rows=rows)


async def test_devices_collected_apart_must_reach_the_same_frame(engine: RunEngine) -> None:
    cam, panda = Writer("cam"), Writer("panda")

    class Both:
        name = "both"

        def collect_asset_docs(self) -> Iterator[Any]:
            yield from cam.collect_asset_docs()
            yield from panda.collect_asset_docs()

    @plan
    async def fly() -> None:
        async with run():
            await declare_stream(cam, panda, name="primary", collect=True)
            cam.written, panda.written = 3, 5
            await collect(Both(), name="primary")

    with pytest.raises(CollectError, match=r"\{'cam': 3, 'panda': 5\}"):
        await engine(fly())


async def test_documents_of_an_undeclared_key_or_stream_are_refused(engine: RunEngine) -> None:
    cam, other = Writer("cam"), Writer("other")

    @plan
    async def fly() -> None:
        async with run():
            await declare_stream(cam, name="primary", collect=True)
            with pytest.raises(CollectError, match=r"'other'.*\['cam'\]"):
                await collect(other, name="primary")
            with pytest.raises(IllegalMessageError, match="monitor"):
                await collect(cam, name="monitor")
            await null()

    await engine(fly())


async def test_a_step_of_a_writing_detector_is_one_frame_and_one_event(engine: RunEngine, docs: Collected) -> None:
    cam = Writer("cam")

    @plan
    async def steps() -> None:
        async with run():
            for _ in range(3):
                await trigger_and_read([cam])

    await engine(steps())
    docs.check_schemas()
    assert docs.names == [
        "start", "descriptor", "stream_resource", "stream_datum", "event", *["stream_datum", "event"] * 2, "stop",
    ]  # fmt: skip
    assert _numbers(docs, "cam") == [(1, 2), (2, 3), (3, 4)]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]


async def test_two_frames_in_one_step_are_refused(engine: RunEngine) -> None:
    cam = Writer("cam")
    cam.written = 1

    @plan
    async def step() -> None:
        async with run():
            await trigger_and_read([cam])

    with pytest.raises(CollectError, match="2 frames: expected one"):
        await engine(step())


async def test_a_document_given_twice_is_emitted_once(engine: RunEngine, docs: Collected) -> None:
    cam = Writer("cam")
    cam.written = 2
    documents = list(cam.collect_asset_docs())

    class Repeats:
        name = "repeats"

        def collect_asset_docs(self) -> Iterator[Any]:
            resource, datum = documents
            yield resource
            yield resource
            yield "stream_datum", {**datum[1], "seq_nums": {"start": 1, "stop": 3}}
            yield "stream_datum", {**datum[1], "seq_nums": {"start": 1, "stop": 3}}

    @plan
    async def fly() -> None:
        async with run():
            await declare_stream(cam, name="primary", collect=True)
            await collect(Repeats(), name="primary")

    await engine(fly())
    assert docs.names == ["start", "descriptor", "stream_resource", "stream_datum", "stop"]


class _Named:
    name = "both"


@given(st.lists(st.integers(1, 50), max_size=20))
def test_frames_that_the_engine_numbers_are_numbered_without_gap_or_overlap(widths: list[int]) -> None:
    described = Description({key: _external(key) for key in ("cam", "panda")}, {"data": {}})
    stream, packer, composer = Stream("primary", "run", {_Named(): described}), AssetPacker(), StreamComposer()
    for key in ("cam", "panda"):
        resource = composer.resource(key, uri=f"file://localhost/{key}", dataset="/d", chunk_shape=(1,))
        packer.fill("run", stream, "stream_resource", resource, single=False)
    covered: dict[str, list[int]] = {"cam": [], "panda": []}
    row = 0
    for width in widths:
        for key, numbers in covered.items():
            datum = composer.datum(key, rows=FrameRange(row, row + width))
            filled = packer.fill("run", stream, "stream_datum", datum, single=False)
            assert filled is not None
            numbers += range(filled["seq_nums"]["start"], filled["seq_nums"]["stop"])
        packer.level(stream)
        row += width
    assert covered["cam"] == covered["panda"] == list(range(1, row + 1))
    assert stream.last_seq_num == row
