"""Trajectories fed while they run, profiles refused before they are sent, and axes that set off together."""

import numpy as np
import pytest
from wingbeat.async_devices.epics import Pmac, PmacMotor, Profile
from wingbeat.async_devices.epics.coordinate_system import map_axes
from wingbeat.async_devices.epics.errors import AppendFailedError, AxisMapError, MoveFailedError
from wingbeat.async_devices.errors import BuildFailedError, ExecuteFailedError, SetpointOutsideLimitsError
from wingbeat.task_scope import together


def a_piece(start, *, points=50, step_us=10_000, velocity=2.0, last_velocity=None):
    """Points along x at 2 mm/s, from rest at 0 if it is the first."""
    seconds = step_us * 1e-6
    positions = start + velocity * seconds * np.arange(1, points + 1)
    velocities = np.full(points, velocity)
    if last_velocity is not None:
        velocities[-1] = last_velocity
    return Profile(times_us=np.full(points, step_us), positions={"X": positions}, velocities={"X": velocities})


def at_rest(position, *, step_us=100_000):
    return Profile(
        times_us=np.array([step_us]), positions={"X": np.array([position])}, velocities={"X": np.array([0.0])}
    )


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (at_rest(1.0, step_us=0x1000000), r"the segment to point 0 takes 16777216 us.*24 bits.*Nothing was sent"),
        (at_rest(1.0, step_us=-1), "0 to 16777215 us"),
        (at_rest(float("nan")), "position nan of axis X at point 0; nothing was sent"),
        (
            Profile(times_us=np.array([1, 2]), positions={"X": np.zeros(2)}, velocities={"X": np.zeros(1)}),
            "one position and one velocity per time",
        ),
        (
            Profile(times_us=np.array([1]), positions={"Q": np.zeros(1)}, velocities={"Q": np.zeros(1)}),
            "for axes of ABCUVWXYZ",
        ),
    ],
)
def test_what_a_controller_would_get_wrong_is_refused_before_it_is_sent(profile, reason):
    with pytest.raises(BuildFailedError, match=reason):
        profile.check(name="pmac")


def test_the_longest_segment_that_24_bits_hold_is_allowed():
    at_rest(1.0, step_us=0xFFFFFF).check(name="pmac")


def test_axes_of_two_systems_or_of_one_letter_are_told_apart():
    with pytest.raises(AxisMapError, match="x is X of CS1, y is Y of CS2"):
        map_axes({"x": ("CS1", "X"), "y": ("CS2", "Y")})
    with pytest.raises(AxisMapError, match="a letter of ABCUVWXYZ of its own"):
        map_axes({"x": ("CS1", "X"), "y": ("CS1", "X")})
    with pytest.raises(AxisMapError, match="x is no axis of none"):
        map_axes({"x": ("", "")})


@pytest.fixture
async def pmac(simulated_beamline):
    pmac = Pmac(f"{simulated_beamline.prefix}PMAC:", coordinate_systems=["CS1"], protocol="pva", name="pmac")
    await pmac.connect()
    yield pmac
    await pmac.abort()
    await pmac.disconnect()


@pytest.fixture
async def axes(simulated_beamline):
    x, y = (PmacMotor(f"{simulated_beamline.prefix}{name.upper()}", protocol="pva", name=name) for name in "xy")
    await together(x.connect(), y.connect())
    await together(*(to_zero(axis) for axis in (x, y)))
    yield x, y
    await together(*(to_zero(axis) for axis in (x, y)))
    await together(x.disconnect(), y.disconnect())


async def to_zero(axis):
    await axis.stop()
    await axis.done_moving.wait_for_value(True)
    await axis.set(0.0)


@pytest.mark.system
async def test_pieces_that_are_sent_while_it_runs_are_one_trajectory(pmac, axes):
    x, _ = axes
    taken = []

    def pieces():
        yield a_piece(0.0)
        for n in (1, 2):
            taken.append(n)
            yield a_piece(float(n))
        taken.append(3)
        yield at_rest(3.1)

    points = []
    status = pmac.stream(pieces(), coordinate_system="CS1", watermark=30)
    status.watch(lambda **progress: points.append(progress["current"]))
    await pmac.execute_state.wait_for_value("Executing")
    assert 3 not in taken, "pieces are taken as they are needed"
    await status
    assert points[-1] == 151
    assert points == sorted(points)
    await x.done_moving.wait_for_value(True)
    assert await x.user_readback.get_value() == pytest.approx(3.1, abs=2e-3)


@pytest.mark.system
async def test_a_feed_that_comes_too_late_fails_the_trajectory(pmac, axes):
    def pieces():
        yield a_piece(0.0, last_velocity=0.0)
        yield a_piece(50.0)

    status = pmac.stream(pieces(), coordinate_system="CS1", watermark=0)
    with pytest.raises((AppendFailedError, ExecuteFailedError), match="pmac: "):
        await status
    assert await pmac.execute_state.get_value() == "Done"


@pytest.mark.system
async def test_nothing_is_appended_to_a_controller_at_rest(pmac, axes):
    with pytest.raises(AppendFailedError, match=r"did not take 1 points behind the \d+ it has \(Failure\): \w+"):
        await pmac.append(at_rest(0.1))


@pytest.mark.system
async def test_two_axes_set_off_and_arrive_together(pmac, axes):
    x, y = axes
    cs = pmac.coordinate_systems["CS1"]
    with x.done_moving.observe_readings() as xs, y.done_moving.observe_readings() as ys:
        await cs.move({x: 1.0, y: 0.5})
        times = []
        for readings in (xs, ys):
            changes = [await anext(readings) for _ in range(3)]
            assert [change["value"] for change in changes] == [True, False, True]
            times.append([change["timestamp"] for change in changes[1:]])
    (x_begin, x_end), (y_begin, y_end) = times
    assert abs(x_begin - y_begin) < 0.2 * (x_end - x_begin)
    assert abs(x_end - y_end) < 0.2 * (x_end - x_begin)
    assert await x.user_readback.get_value() == pytest.approx(1.0, abs=2e-3)
    assert await y.user_readback.get_value() == pytest.approx(0.5, abs=2e-3)
    assert await cs.defer.get_value() is False


@pytest.mark.system
async def test_one_target_outside_the_limits_moves_no_axis(pmac, axes):
    x, y = axes
    with pytest.raises(SetpointOutsideLimitsError, match="y: 1000 mm"):
        await pmac.coordinate_systems["CS1"].move({x: 1.0, y: 1000.0})
    assert await x.done_moving.get_value() is True
    assert await x.user_readback.get_value() == pytest.approx(0.0, abs=2e-3)
    assert await pmac.coordinate_systems["CS1"].defer.get_value() is False


@pytest.mark.system
async def test_a_coordinated_move_that_is_stopped_fails(pmac, axes):
    x, y = axes
    status = pmac.coordinate_systems["CS1"].move({x: 10.0, y: 5.0})
    await x.user_readback.wait_for_value(lambda position: position > 0.2, timeout=5)
    await x.stop()
    await y.stop()
    with pytest.raises(MoveFailedError, match=r"[xy]: sent to (10|5), came to rest at"):
        await status


@pytest.mark.system
async def test_a_cancelled_coordinated_move_leaves_nothing_deferred(pmac, axes):
    x, y = axes
    cs = pmac.coordinate_systems["CS1"]
    status = cs.move({x: 5.0, y: 5.0})
    await cs.defer.wait_for_value(True)
    status.cancel()
    await cs.defer.wait_for_value(False)
    await together(*(to_zero(axis) for axis in axes))
    assert await cs.defer.get_value() is False
