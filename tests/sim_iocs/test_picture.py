import numpy as np
import pytest
from wingbeat.sim_iocs.picture import PIXELS_PER_UNIT, Region, Scaling, Scene, read_trigger


def painter(side: int = 64, dtype: str = "uint16", **scene):
    return Scene(seed=1, shape=(side, side), dtype=dtype, **scene).painter()


@pytest.mark.parametrize("trigger", [1, 9_999, 10_000, 123_456_789])
@pytest.mark.parametrize("color", ["Mono", "RGB1"])
def test_a_frame_carries_its_trigger_number(trigger: int, color) -> None:
    assert read_trigger(painter(16, color=color)(0.3, -0.2, trigger, 1.0)) == trigger


def test_moving_an_axis_by_a_pixel_moves_the_picture_by_a_pixel() -> None:
    paint, pixel = painter(), 1 / PIXELS_PER_UNIT
    here, right, below = (
        paint(x, y, 0, 1.0).astype(int) for x, y in ((1.0, 2.0), (1.0 + pixel, 2.0), (1.0, 2.0 + pixel))
    )
    assert np.array_equal(here[1:, 1:], right[1:, :-1])
    assert np.array_equal(here[2:, :], below[1:-1, :])
    assert not np.array_equal(here[1:, 4:], right[1:, 4:])


def test_a_byte_wide_frame_is_the_same_picture_without_a_number() -> None:
    wide, narrow = (painter(32, dtype)(0.5, 0.5, 7, 1.0) for dtype in ("uint16", "uint8"))
    assert np.array_equal(wide[1:] // 256, narrow[1:])


def test_half_the_light_gives_half_the_picture_and_the_whole_number() -> None:
    full, half = (painter()(0.5, 0.5, 7, light) for light in (1.0, 0.5))
    assert np.array_equal(full[1:] // 2, half[1:])
    assert read_trigger(half) == 7


def test_a_pool_is_used_in_turn_and_its_pictures_differ() -> None:
    paint = painter(pool=64)
    pictures = [paint(9.9, 9.9, trigger, 0.3) for trigger in range(1, 129)]
    assert all(np.array_equal(a, b) for a, b in zip(pictures[:64], pictures[64:], strict=True))
    assert len({picture[1:].tobytes() for picture in pictures}) == 64
    assert [read_trigger(picture) for picture in pictures[:64]] == list(range(1, 65))


def test_regions_bins_and_scaling_are_applied_in_their_order() -> None:
    scene = Scene(seed=1, shape=(64, 64), dtype="uint16")
    whole = scene.painter()(0.1, 0.2, 5, 1.0).astype(float)
    derived = scene.then(Region(8, 16, 32, 16, bin_x=2, bin_y=4)).then(Scaling(10.0, 0.5, "float64"))
    frame = derived.painter()(0.1, 0.2, 5, 1.0)
    sums = whole[16:32, 8:40].reshape(4, 4, 16, 2).sum(axis=(1, 3)).astype(np.uint16)
    assert frame.shape == derived.frame_shape == (4, 16)
    assert frame.dtype == derived.frame_dtype == np.float64
    assert np.array_equal(frame, (sums + 10.0) * 0.5)


def test_scaled_pixels_stop_at_the_ends_of_their_type() -> None:
    scene = Scene(seed=1, shape=(16, 16), dtype="uint16").then(Scaling(0.0, 100.0, "uint16"))
    assert scene.painter()(0.0, 0.0, 1, 1.0).max() == 65_535
