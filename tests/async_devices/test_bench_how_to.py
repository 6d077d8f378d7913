"""The code of the how-to on bringing one's own bench runs as it stands, on a bench without hardware."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from wingbeat.async_devices import DEFAULT_PATHS, NotConnectedError

from tests.async_devices.fake_bench import FakeController, FakeSerial, fake_cv2

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-own-bench.md"


@pytest.fixture
def controller():
    controller = FakeController()
    yield controller
    controller.end()


@pytest.fixture
def page(controller, monkeypatch, tmp_path):
    """The names that the code of the page defines."""
    monkeypatch.setitem(sys.modules, "serial", SimpleNamespace(Serial=FakeSerial))
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(controller))
    monkeypatch.chdir(tmp_path)
    module = ModuleType("my_bench")
    monkeypatch.setitem(sys.modules, "my_bench", module)
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), module.__dict__)
    yield module
    DEFAULT_PATHS.set(None)


async def test_the_page_scans_and_films_and_its_frames_are_where_the_axes_were(page, controller, capsys):
    stepped, filmed = await page.main(controller.port)
    assert stepped.exit_status == filmed.exit_status == "success"
    events = stepped.index.streams["primary"].events
    assert [row.data["x"] for row in events] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert [row.data["y"] for row in events] == pytest.approx([0, 0.5, 1, 1.5, 2])
    pictures = stepped["primary"]["cam"][0:5]
    assert pictures.shape == (5, 8, 10)
    assert pictures[:, 0, 0].tolist() == pytest.approx([0, 2.5, 5, 7.5, 10], abs=0.6)
    assert pictures[:, 0, 1].tolist() == [0, 5, 10, 15, 20]
    film = filmed["primary"]
    assert film["cam"][0:50].shape == (50, 8, 10)
    assert film["cam-unique_id"][0:50].tolist() == list(range(1, 51))
    assert (np.diff(film["cam-time_ns"][0:50]) >= 0).all()


async def test_a_controller_that_does_not_answer_is_named_when_it_is_connected(page, controller, monkeypatch):
    monkeypatch.setattr(controller, "_answer", lambda command: "ERROR")
    stage = page.Stage(page.Controller(controller.port), 1, name="x")
    with pytest.raises(ValueError, match="ERROR"):
        await stage.read_position()
    monkeypatch.setattr(FakeSerial, "readline", lambda self: b"")
    with pytest.raises(NotConnectedError, match=r"no answer to '1TP\?' within 2 s.*is it switched on"):
        await stage.connect()
    stage.controller.close()
