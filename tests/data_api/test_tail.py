"""The journal is followed record by record: none lost, none twice, whatever the writer is in the middle of."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.data_api.catalog import JournalCursor
from wingbeat.data_api.tail import JournalTail
from wingbeat.stream_resource.journal import MAGIC, JournalRecord, encode_record, segment_name


def records(count, *, first=0, nbytes=20):
    return [JournalRecord(first + i, "event", bytes([i % 256]) * nbytes) for i in range(count)]


def segment(directory, content, first=0, *, magic=MAGIC):
    data = magic + b"".join(map(encode_record, content))
    (directory / segment_name(first)).write_bytes(data)
    return data


async def read_all(tail):
    found = []
    while (batch := await tail.read()) is not None:
        found += batch.records
    return found


async def test_an_empty_directory_has_no_records(tmp_path):
    tail = JournalTail(tmp_path, JournalCursor())
    assert await read_all(tail) == []
    segment(tmp_path, [])
    assert await read_all(tail) == []


async def test_segments_are_read_in_order_and_the_cursor_stands_behind_the_last_record(tmp_path):
    everything = records(10)
    segment(tmp_path, everything[:4])
    segment(tmp_path, everything[4:7], 4)
    last = segment(tmp_path, everything[7:], 7)
    tail = JournalTail(tmp_path, JournalCursor())
    assert await read_all(tail) == everything
    assert tail.cursor == JournalCursor(segment_name(7), len(last), 9)
    assert await read_all(JournalTail(tmp_path, tail.cursor)) == []


@given(cut=st.integers(0, 400), window=st.integers(1, 300), pieces=st.lists(st.integers(1, 60), max_size=8))
def test_a_journal_that_grows_anyhow_is_read_once_and_whole(tmp_path_factory, cut, window, pieces):
    directory = tmp_path_factory.mktemp("journal")
    everything = records(8)
    data = MAGIC + b"".join(map(encode_record, everything))
    path = directory / segment_name(0)

    async def follow():
        tail = JournalTail(directory, JournalCursor(), window_nbytes=window)
        found, at = [], min(cut, len(data))
        for piece in (0, *pieces, len(data)):
            at = min(len(data), at + piece)
            path.write_bytes(data[:at])
            found += await read_all(tail)
        return found, tail.cursor, tail.statistics().damage

    found, cursor, damage = asyncio.run(follow())
    assert found == everything
    assert cursor == JournalCursor(segment_name(0), len(data), 7)
    assert damage == ()


async def test_a_record_larger_than_the_window_is_read(tmp_path):
    everything = records(3, nbytes=5000)
    segment(tmp_path, everything)
    assert await read_all(JournalTail(tmp_path, JournalCursor(), window_nbytes=64)) == everything


async def test_a_torn_tail_that_an_engine_cut_off_is_no_obstacle(tmp_path):
    everything = records(5)
    data = segment(tmp_path, everything[:3])
    path = tmp_path / segment_name(0)
    path.write_bytes(data + encode_record(everything[3])[:10])
    tail = JournalTail(tmp_path, JournalCursor())
    assert await read_all(tail) == everything[:3]
    path.write_bytes(data)
    segment(tmp_path, everything[3:], 3)
    assert await read_all(tail) == everything[3:]
    assert tail.statistics().damage == ()


async def test_what_precedes_a_damage_is_read_and_the_next_segment_goes_on(tmp_path):
    everything = records(12)
    data = bytearray(segment(tmp_path, everything[:8]))
    whole = len(MAGIC) + len(encode_record(everything[0])) * 5
    data[whole + 2] ^= 0xFF
    (tmp_path / segment_name(0)).write_bytes(data)
    tail = JournalTail(tmp_path, JournalCursor())
    assert await read_all(tail) == everything[:5]
    assert len(tail.statistics().damage) == 1
    segment(tmp_path, everything[8:], 8)
    assert await read_all(tail) == everything[8:]
    assert "records 5 to 7" in tail.statistics().damage[1]


async def test_records_taken_before_are_passed_over(tmp_path):
    everything = records(6)
    segment(tmp_path, everything)
    assert await read_all(JournalTail(tmp_path, JournalCursor(segment_name(0), 0, 3))) == everything[4:]


async def test_changes_are_noticed_and_the_watch_ends_with_its_reader(tmp_path):
    everything = records(4)
    segment(tmp_path, everything[:2])
    tail = JournalTail(tmp_path, JournalCursor())
    found = []
    async with asyncio.timeout(10), aclosing(tail.batches()) as batches:
        async for batch in batches:
            found += batch.records
            if len(found) == 2:
                segment(tmp_path, everything)
            if len(found) == 4:
                break
    assert found == everything


async def test_a_reader_that_is_cancelled_leaves_no_watch(tmp_path):
    async def follow():
        async with aclosing(JournalTail(tmp_path, JournalCursor()).batches()) as batches:
            async for _ in batches:
                pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(follow(), 0.05)
