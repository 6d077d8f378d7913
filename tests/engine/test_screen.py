"""What people see of a run, on a terminal and in a file."""

import io
import logging
import os
import pty
import termios
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.live_table import Column, LiveTable, columns_of
from wingbeat.engine.plans import count, scan
from wingbeat.engine.screen import Screen
from wingbeat.engine.stubs import close_run, open_run


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _start(**more: Any) -> dict[str, Any]:
    return {"uid": "run-1", "time": 0.0, "scan_id": 3, "plan_name": "fly_scan", **more}


def _descriptor(**keys: Any) -> dict[str, Any]:
    data_keys = {key: {"dtype": "number", "shape": [], "source": "", **more} for key, more in keys.items()}
    names: dict[str, Any] = {"data_keys": data_keys, "object_keys": {key: [key] for key in keys}, "hints": {}}
    return {"uid": "d", "run_start": "run-1", "name": "primary", **names}


def _event(seq_num: int, **data: Any) -> dict[str, Any]:
    return {"uid": f"e{seq_num}", "descriptor": "d", "seq_num": seq_num, "time": 0.25 + seq_num, "data": data}


async def test_a_scan_is_shown_from_heading_to_status_in_lines_that_fit(
    engine: RunEngine, x: SoftMotor, det: SoftDetector
) -> None:
    file = io.StringIO()
    engine.subscribe(Screen(file), critical=True)
    await engine(scan([det], x, 0, 1, 3), sample="gold on mica", note="n" * 200)
    lines = file.getvalue().splitlines()
    assert engine.last is not None
    assert lines[0] == f"scan 1  scan  run {engine.last.uid}"
    assert any("sample: gold on mica" in line for line in lines)
    head = next(number for number, line in enumerate(lines) if line.split()[:2] == ["#", "time"])
    assert lines[head].split()[2:] == ["x", "det"]
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [(row[0], *row[2:]) for row in rows] == [("1", "0", "1"), ("2", "0.5", "2"), ("3", "1", "3")]
    assert lines[-1].startswith(f"run {engine.last.uid}  success  events: primary 3")
    assert max(map(len, lines)) <= 80
    assert "\r" not in file.getvalue()


async def test_the_ledger_stands_at_the_end_with_reasons_and_unknown_counts_as_such(engine: RunEngine) -> None:
    finding = {"start": 101, "stop": 103, "verdict": "missing", "reason": "the camera was busy"}
    good = {"start": 0, "stop": 101, "verdict": "good", "reason": ""}
    frames = {
        "cam": {"planned": 5000, "written": 4998, "missing": 2, "verdicts": {"findings": [good, finding]}},
        "panda": {"planned": 5000, "written": 5000, "missing": None},
    }

    @plan
    async def closing() -> None:
        await open_run()
        await close_run("fail", "cam misses frames", frames=frames)

    file = io.StringIO()
    engine.subscribe(Screen(file), critical=True)
    await engine(closing())
    lines = [line.split() for line in file.getvalue().splitlines()]
    at = lines.index(["detector", "planned", "written", "missing"])
    assert lines[at + 1 : at + 3] == [["cam", "5000", "4998", "2"], ["panda", "5000", "5000", "–"]]
    assert " ".join(lines[at + 3]) == "cam: frames 101 to 102 missing: the camera was busy"
    assert lines[at - 2][2] == "fail"


def test_on_a_terminal_a_progress_line_is_drawn_over_itself_and_wiped_before_the_next_row() -> None:
    file, now = Terminal(), 0.0
    screen = Screen(file, clock=lambda: now)
    screen("start", _start(num_points=4))
    screen("descriptor", _descriptor(det={}))
    for seq_num in (1, 2):
        now += 2.0
        screen("event", _event(seq_num, det=0.5))
    written = file.getvalue()
    assert "█████░░░░░░░░░░░░░░░  1/4  25 %  0:02 gone, 0:06 left\r" in written
    wiped = written[written.index("0:06 left") :]
    assert wiped.startswith("0:06 left\r\r" + " " * 10)
    shown = _as_seen(written)
    assert shown[-1].startswith("██████████░░░░░░░░░░  2/4  50 %")
    assert [line.split()[0] for line in shown[-3:-1]] == ["1", "2"]


def _as_seen(written: str) -> list[str]:
    """What a terminal shows: a carriage return goes back to the beginning of the line, what follows overwrites it."""
    lines = [""]
    column = 0
    for character in written:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def test_a_flight_is_as_far_as_its_slowest_detector_also_when_one_goes_on_in_a_new_file() -> None:
    file, now = Terminal(), 0.0
    screen = Screen(file, clock=lambda: now)
    screen("start", _start(num_points=100))
    screen("descriptor", _descriptor(cam={"external": "STREAM:"}, panda={"external": "STREAM:"}))

    def frames(resource: str, stop: int) -> str:
        nonlocal now
        now += 1.0
        screen(
            "stream_datum",
            {
                "uid": f"{resource}/{stop}",
                "descriptor": "d",
                "stream_resource": resource,
                "seq_nums": {"start": 1, "stop": stop + 1},
            },
        )
        return _as_seen(file.getvalue())[-1]

    for resource, key in (("r1", "cam"), ("r2", "cam"), ("r3", "panda")):
        screen("stream_resource", {"uid": resource, "run_start": "run-1", "data_key": key})
    assert "10/100" in frames("r1", 10)
    assert "5/100" in frames("r3", 5)
    assert "10/100" in frames("r3", 30)
    assert "30/100" in frames("r2", 40)


def test_columns_that_do_not_fit_are_named_and_long_names_are_cut() -> None:
    columns = [Column(key=f"a_rather_long_name_{number}") for number in range(5)]
    table = LiveTable(columns, width=60)
    assert [column.key for column in table.columns] == ["a_rather_long_name_0", "a_rather_long_name_1"]
    assert table.head()[-1].startswith("(no room for a_rather_long_name_2, a_rather")
    assert max(len(line) for line in table.head()[:-1]) <= 60
    row = table.row(_event(1, a_rather_long_name_0=1e-12, a_rather_long_name_1="x" * 40))
    assert len(row) == len(table.head()[0])
    assert row.endswith("…")


def test_scanned_axes_come_first_then_hints_and_what_is_no_single_value_is_left_out() -> None:
    descriptor = _descriptor(
        det={}, image={"shape": [4, 4], "dtype": "array"}, x={"units": "mm", "precision": 2}, dull={}
    )
    descriptor["hints"] = {"det": {"fields": ["det"]}, "dull": {"fields": []}}
    columns = columns_of(_start(hints={"dimensions": [[["x"], "primary"]]}), descriptor)
    assert columns == [Column(key="x", units="mm", precision=2), Column(key="det")]


def test_two_runs_at_once_have_their_own_heads() -> None:
    file = io.StringIO()
    screen = Screen(file)
    for run in ("1", "2"):
        screen("start", _start(uid=f"run-{run}"))
        screen("descriptor", {**_descriptor(det={}), "uid": f"d{run}", "run_start": f"run-{run}"})
    for run in ("1", "2", "2", "1"):
        screen("event", {**_event(1, det=1.0), "descriptor": f"d{run}"})
    assert sum(line.split()[:1] == ["#"] for line in file.getvalue().splitlines()) == 3


async def test_a_screen_that_is_gone_is_reported_once_and_the_run_goes_on(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    engine.subscribe(Screen(Gone()), critical=True)
    with caplog.at_level(logging.WARNING):
        assert (await engine(count([det], 3))).exit_status == "success"
    assert caplog.text.count("nothing more is shown") == 1


@pytest.fixture
def narrow_terminal() -> Iterator[Callable[[], str]]:
    """A real terminal of 50 columns; gives what was written to it."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 50))
    with os.fdopen(theirs, "w") as file:

        def read() -> str:
            file.flush()
            return os.read(ours, 65536).decode()

        read.file = file  # type: ignore[attr-defined]
        yield read
    os.close(ours)


def test_on_a_narrow_terminal_no_line_is_wider_than_it(narrow_terminal: Any) -> None:
    screen = Screen(narrow_terminal.file)
    screen("start", _start(num_points=3, sample="gold on mica", users=["ada", "emmy", "lise", "marie", "rosalind"]))
    screen("descriptor", _descriptor(one_detector={}, another_detector={}, x={}))
    screen("event", _event(1, one_detector=1.5, another_detector=2.5, x=1.0))
    screen(
        "stop", {"uid": "s", "run_start": "run-1", "time": 5.0, "exit_status": "success", "num_events": {"primary": 1}}
    )
    lines = _as_seen(narrow_terminal().replace("\r\n", "\n"))
    assert max(len(line) for line in lines if not line.startswith(("run ", "(no room"))) <= 50
    assert any("one_detector" in line for line in lines)
