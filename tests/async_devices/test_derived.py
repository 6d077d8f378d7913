"""Signals that are functions of other signals."""

import pytest
from wingbeat.async_devices import derived_r, derived_rw, soft_signal_r_and_setter, soft_signal_rw
from wingbeat.async_devices.errors import DeclarationError, DerivationError


def gap(left: float, right: float) -> float:
    return left - right


def jaws(value: float) -> dict[str, float]:
    return {"left": value / 2, "right": -value / 2}


@pytest.fixture
def sides():
    return soft_signal_rw(float, 3.0, name="left"), soft_signal_rw(float, 1.0, name="right")


async def test_it_is_computed_read_described_and_split(sides):
    left, right = sides
    signal = derived_rw(gap, jaws, name="gap", left=left, right=right, units="mm")
    assert await signal.get_value() == 2.0
    await signal.set(8.0)
    assert (await left.get_value(), await right.get_value()) == (4.0, -4.0)
    assert await signal.locate() == {"setpoint": 8.0, "readback": 8.0}
    assert (await signal.describe())["gap"]["units"] == "mm"
    newest = max([(await side.reading())["stamp"] for side in sides])
    assert (await signal.reading())["stamp"] == newest
    await signal.disconnect()


async def test_observers_see_every_input_change(sides):
    left, right = sides
    signal = derived_r(gap, name="gap", left=left, right=right)
    with signal.observe() as values:
        assert await anext(values) == 2.0
        await left.set(10.0)
        assert await anext(values) == 9.0
        await right.set(4.0)
        assert await anext(values) == 6.0
    await signal.disconnect()
    assert not left.reader._observers


async def test_either_function_may_be_a_coroutine_function(sides):
    left, right = sides

    async def slowly(left: float, right: float) -> float:
        return await left_limit.get_value() + left - right

    async def itself(value: float) -> None:
        await left.put(value)

    left_limit = soft_signal_rw(float, 100.0, name="limit")
    signal = derived_rw(slowly, itself, left=left, right=right)
    assert await signal.get_value() == 102.0
    await signal.set(1.0)
    assert await signal.get_value() == 100.0
    await signal.disconnect()


async def test_what_cannot_be_computed_is_an_error_of_the_read_and_told_to_observers():
    def inverse(number: float) -> float:
        return 1 / number

    number, change = soft_signal_r_and_setter(float, 2.0, name="number")
    signal = derived_r(inverse, name="inverse", number=number)
    with signal.observe() as values:
        assert await anext(values) == 0.5
        change(0.0)
        with pytest.raises(DerivationError, match="number"):
            await anext(values)
        with pytest.raises(DerivationError, match="ZeroDivision"):
            await signal.get_value()
        change(4.0)
        assert await anext(values) == 0.25
    await signal.disconnect()


async def test_a_part_that_is_no_input_or_a_signal_that_is_computed_is_not_written(sides):
    left, right = sides
    wrong = derived_rw(gap, lambda value: {"middle": value}, left=left, right=right)
    with pytest.raises(DerivationError, match="'middle' is no input"):
        await wrong.set(1.0)


def test_parameters_inputs_and_return_type_must_agree(sides):
    left, right = sides
    with pytest.raises(DeclarationError, match=r"\['left', 'right'\].*\['left'\]"):
        derived_r(gap, left=left)
    with pytest.raises(DeclarationError, match="annotate"):
        derived_r(lambda left, right: 1, left=left, right=right)
