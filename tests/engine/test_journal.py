import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import JournalError
from wingbeat.engine.journal import Journal
from wingbeat.engine.journal_cursor import JournalCursor
from wingbeat.engine.journal_recovery import OpenRuns, segments
from wingbeat.stream_resource.errors import CorruptJournalError
from wingbeat.stream_resource.journal import JournalRecord, decode_records


def _start(uid: str) -> dict[str, Any]:
    return {"uid": uid, "time": 0.0}


def _stop(uid: str) -> dict[str, Any]:
    return {"uid": f"{uid}-stop", "time": 0.0, "run_start": uid, "exit_status": "success"}


def _descriptor(run: str, uid: str, name: str) -> dict[str, Any]:
    return {"uid": uid, "time": 0.0, "run_start": run, "name": name, "data_keys": {}}


def _event(descriptor: str, seq_num: int) -> dict[str, Any]:
    rest = {"data": {}, "timestamps": {}, "time": 0.0}
    return {"uid": f"{descriptor}-{seq_num}", "descriptor": descriptor, "seq_num": seq_num, **rest}


def _records(directory: Path) -> list[JournalRecord]:
    return [record for path in segments(directory) for record in decode_records(path.read_bytes()).records]


async def test_what_is_committed_is_in_the_file_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    numbers = [journal.append("start", _start(f"run{i}")) for i in range(100)]
    await journal.committed(numbers[-1])
    assert numbers == list(range(100))
    assert [orjson.loads(record.payload)["uid"] for record in _records(tmp_path)] == [f"run{i}" for i in range(100)]
    journal.close()


async def test_a_durable_journal_is_synced_before_it_says_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    journal = Journal(tmp_path, durable=True)
    await journal.committed(journal.append("start", _start("run")))
    at_commit = list(synced)
    journal.close()
    assert at_commit[1:] == [sum(len(path.read_bytes()) for path in segments(tmp_path))]  # after the directory


async def test_a_durable_journal_syncs_the_name_of_each_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    journal = Journal(tmp_path, durable=True, segment_nbytes=1)
    for run in ("a", "b"):
        await journal.committed(journal.append("start", _start(run)))
        await journal.committed(journal.append("stop", _stop(run)))
    journal.close()
    assert len(segments(tmp_path)) == 3
    assert synced.count(tmp_path) == 3


def test_a_torn_tail_is_cut_off_and_kept_aside(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("start", _start("run"))
    journal.append("stop", _stop("run"))
    journal.close()
    segment = segments(tmp_path)[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[8:30])

    journal = Journal(tmp_path)
    assert journal.next_sequence == 2
    assert [path.read_bytes() for path in tmp_path.glob("*.torn-*")] == [whole[8:30]]
    journal.append("start", _start("next"))
    journal.append("stop", _stop("next"))
    journal.close()
    assert [record.name for record in _records(tmp_path)] == ["start", "stop", "start", "stop"]


@pytest.mark.parametrize("left", range(9))
def test_a_segment_torn_in_its_very_first_bytes_is_begun_again(tmp_path: Path, left: int) -> None:
    journal = Journal(tmp_path)
    journal.close()
    segment = segments(tmp_path)[0]
    segment.write_bytes(segment.read_bytes()[:left])
    journal = Journal(tmp_path)
    assert journal.append("start", _start("run")) == 0
    journal.close()
    assert [record.name for record in _records(tmp_path)] == ["start"]


def test_a_damaged_middle_is_an_error_and_not_a_shorter_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for i in range(3):
        journal.append("start", _start(f"run{i}"))
    journal.close()
    segment = segments(tmp_path)[0]
    damaged = bytearray(segment.read_bytes())
    damaged[40] ^= 0xFF
    segment.write_bytes(damaged)
    with pytest.raises(CorruptJournalError):
        Journal(tmp_path)
    assert segment.read_bytes() == damaged


def test_a_cut_off_run_is_closed_as_lost_with_what_it_had(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name, doc in (
        ("start", _start("whole")),
        ("stop", _stop("whole")),
        ("start", _start("cut")),
        ("descriptor", _descriptor("cut", "d", "primary")),
        ("event", _event("d", 1)),
        ("event", _event("d", 2)),
    ):
        journal.append(name, doc)
    journal.close()

    journal = Journal(tmp_path)
    journal.close()
    assert journal.lost == ["cut"]
    last = _records(tmp_path)[-1]
    stop = orjson.loads(last.payload)
    assert (last.name, stop["run_start"], stop["exit_status"]) == ("stop", "cut", "fail")
    assert stop["reason"] == "lost: the engine ended without closing the run (last committed document 5)"
    assert stop["num_events"] == {"primary": 2}
    again = Journal(tmp_path)
    again.close()
    assert again.lost == []


async def test_segments_change_between_runs_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_nbytes=200)
    for i in range(3):
        journal.append("start", _start(f"run{i}"))
        journal.append("descriptor", _descriptor(f"run{i}", f"d{i}", "primary"))
        for seq_num in range(1, 6):
            await journal.committed(journal.append("event", _event(f"d{i}", seq_num)))
        await journal.committed(journal.append("stop", _stop(f"run{i}")))
    journal.close()
    found = segments(tmp_path)
    assert [path.name for path in found] == [f"{first:016d}.wbj" for first in (0, 8, 16, 24)]
    assert [record.sequence for record in _records(tmp_path)] == list(range(24))


async def test_a_reader_far_behind_reads_back_every_record_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_nbytes=20_000)
    for i in range(2000):
        journal.append("start", _start(f"run{i}"))
        await journal.committed(journal.append("stop", _stop(f"run{i}")))
    cursor = JournalCursor(journal, 0)
    assert not cursor.in_memory()
    read: list[int] = []
    while batch := cursor.next(100):
        read += [record.sequence for record in batch]
    assert read == list(range(4000))
    assert len(segments(tmp_path)) > 5
    journal.close()


async def test_a_full_disk_is_raised_by_name_and_nothing_is_recorded_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    await journal.committed(journal.append("start", _start("run")))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        lost = journal.append("stop", _stop("run"))
        with pytest.raises(JournalError, match="No space left"):
            await journal.committed(lost)
    with pytest.raises(JournalError, match="No space left"):
        journal.append("start", _start("next"))
    journal.close()
    assert [record.name for record in _records(tmp_path)] == ["start"]


WRITER = """
import asyncio, sys
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.stubs import run, trigger_and_read

@plan
async def forever():
    det = SoftDetector("det")
    async with run():
        while True:
            await trigger_and_read([det])

async def main():
    engine = RunEngine(sys.argv[1])
    journal = engine.journal
    engine.start(forever())
    while True:
        await asyncio.sleep(0.001)
        await journal.committed(journal.next_sequence - 1)
        print(journal.committed_sequence, flush=True)

asyncio.run(main())
"""


def _killed_writer(directory: Path, told: int) -> list[int]:
    """Let a child take points until it has said so often what is committed, then kill it; give all that it said."""
    command = [sys.executable, "-c", WRITER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        committed = [int(child.stdout.readline()) for _ in range(told)]
        child.send_signal(signal.SIGKILL)
        return committed + [int(line) for line in child.stdout.read().splitlines() if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("told", [5, 40])
async def test_kill_9_loses_no_committed_document(tmp_path: Path, told: int) -> None:
    await killed_and_recovered(tmp_path, told)


async def killed_and_recovered(directory: Path, told: int) -> None:
    """Kill a scan after it has said so often what is committed, recover, and check that all of that is there."""
    committed = _killed_writer(directory, told)
    async with RunEngine(directory) as engine:
        assert engine.md["scan_id"] == 1
    records = _records(directory / "journal")
    assert [record.sequence for record in records] == list(range(len(records)))
    assert len(records) > max(committed)
    assert [record.name for record in records[:2]] == ["start", "descriptor"]
    events = [orjson.loads(record.payload) for record in records if record.name == "event"]
    assert [event["seq_num"] for event in events] == list(range(1, len(events) + 1))
    stop = orjson.loads(records[-1].payload)
    assert stop["exit_status"] == "fail"
    assert f"last committed document {len(records) - 2})" in stop["reason"]
    assert stop["num_events"] == {"primary": len(events)}


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_open_runs_are_those_started_and_not_stopped(steps: list[tuple[int, bool]]) -> None:
    runs, expected = OpenRuns(), dict[str, None]()
    for sequence, (number, opens) in enumerate(steps):
        uid = f"run{number}"
        name, doc = ("start", _start(uid)) if opens else ("stop", _stop(uid))
        runs.apply(JournalRecord(sequence, name, orjson.dumps(doc)))
        if opens:
            expected[uid] = None
        else:
            expected.pop(uid, None)
    assert list(runs.open) == list(expected)
