import io

import pytest
from rich.console import Console
from wingbeat.progress import ProgressBar


def drawn(*reports: dict, terminal: bool = True) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with ProgressBar(console) as bar:
        for report in reports:
            bar.update(**report)
    return console.file.getvalue()


def report(current: int, **more: object) -> dict:
    fields = {"name": "flight", "current": current, "initial": 0, "target": 5000, "unit": "frames", "precision": 0}
    return {**fields, "fraction": current / 5000, "time_elapsed": 2.0, "time_remaining": 6.0, **more}


def test_it_shows_frames_rate_and_the_time_left():
    text = drawn(report(1200))
    assert "flight" in text
    assert "1200/5000" in text
    assert "600 frames/s" in text
    assert "ETA 6 s" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_the_last_thing_drawn_is_the_end(terminal: bool):
    text = drawn(report(1200), report(5000, time_elapsed=8.0, time_remaining=0.0), terminal=terminal)
    assert "5000/5000" in text
    assert "ETA" not in text[text.rindex("5000/5000") :]


def test_before_the_first_second_no_rate_is_made_up():
    assert "frames/s" not in drawn(report(0, time_elapsed=0.0))
