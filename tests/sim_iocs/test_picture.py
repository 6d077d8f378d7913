import numpy as np
import pytest
from wingbeat.sim_iocs.picture import PIXELS_PER_UNIT, Sample, View, read_trigger

SAMPLE = Sample(seed=1)


@pytest.mark.parametrize("trigger", [1, 9_999, 10_000, 123_456_789])
def test_a_frame_carries_its_trigger_number(trigger: int) -> None:
    view = View(SAMPLE, shape=(16, 16), dtype=np.dtype("u2"))
    assert read_trigger(view.frame(0.3, -0.2, trigger)) == trigger


def test_moving_an_axis_by_a_pixel_moves_the_picture_by_a_pixel() -> None:
    view, pixel = View(SAMPLE, shape=(64, 64), dtype=np.dtype("u2")), 1 / PIXELS_PER_UNIT
    here, right, below = (
        view.frame(x, y, 0).astype(int) for x, y in ((1.0, 2.0), (1.0 + pixel, 2.0), (1.0, 2.0 + pixel))
    )
    assert np.array_equal(here[1:, 1:], right[1:, :-1])
    assert np.array_equal(here[2:, :], below[1:-1, :])
    assert not np.array_equal(here[1:, 4:], right[1:, 4:])


def test_a_byte_wide_frame_is_the_same_picture_without_a_number() -> None:
    wide, narrow = (View(SAMPLE, shape=(32, 32), dtype=np.dtype(t)).frame(0.5, 0.5, 7) for t in ("u2", "u1"))
    assert np.array_equal(wide[1:] // 256, narrow[1:])
