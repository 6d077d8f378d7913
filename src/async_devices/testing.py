"""What every back end must do, as tests that its author inherits.

    class TestMine(BackendTests):
        @pytest.fixture
        def uri(self): return lambda name: f"mine://{name}"

The server behind `uri` holds: `double` 1.5 in mm that may be -5 to 5; `integer` 7; `enum` Idle of Idle, Busy, Fault;
`flag` False; `text` "hello"; `array` [1, 2, 3] of float64; `quick` 0.0; `strings` ["a", "b"]; `short` 3 in 16 bits; and
keeps what is written. Tests put back what they change.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .datatypes import StrictEnum, SubsetEnum, SupersetEnum
from .device import Device
from .errors import DatatypeError, NotConnectedError, ValueRefusedError
from .protocols import Reading
from .signal import SignalRW

Uri = Callable[[str], str]


class ThreeStates(StrictEnum):
    """Exactly what `enum` has."""

    IDLE = "Idle"
    BUSY = "Busy"
    FAULT = "Fault"


class OneState(SubsetEnum):
    """Less than it has."""

    IDLE = "Idle"


class FourStates(SupersetEnum):
    """More than it has."""

    IDLE = "Idle"
    BUSY = "Busy"
    FAULT = "Fault"
    GONE = "Gone"


class Letters(StrictEnum):
    """What the elements of `strings` may be."""

    A = "a"
    B = "b"


class OtherStates(StrictEnum):
    """Something else."""

    OPEN = "Open"
    SHUT = "Shut"


@asynccontextmanager
async def connected_signal(datatype: Any, source: str, *, timeout: float = 5.0) -> AsyncGenerator[SignalRW[Any]]:
    """A signal that is connected inside the block and leaves nothing behind it."""
    signal = SignalRW[Any](datatype, read=source, write=source, name="signal")
    try:
        await signal.connect(timeout=timeout)
        yield signal
    finally:
        await signal.disconnect()


def _require(condition: object, *seen: object) -> None:
    if not condition:
        raise AssertionError(*seen)


class BackendTests:
    """Tests of a back end; a subclass gives the fixture `uri`."""

    async def test_a_number_is_read_with_its_time_and_no_alarm(self, uri: Uri) -> None:
        """Reading."""
        async with connected_signal(float, uri("double")) as signal:
            reading = (await signal.read())["signal"]
            _require(reading["value"] == 1.5 and reading["timestamp"] > 0, reading)
            _require(reading.get("alarm_severity") == 0, reading)

    async def test_what_is_written_is_read_back(self, uri: Uri) -> None:
        """Writing."""
        cases: list[tuple[Any, str, Any, Any]] = [
            (float, "double", -2.25, 1.5),
            (int, "integer", 12, 7),
            (bool, "flag", True, False),
            (str, "text", "a longer text than before", "hello"),
            (ThreeStates, "enum", ThreeStates.FAULT, ThreeStates.IDLE),
        ]
        for datatype, name, new, old in cases:
            async with connected_signal(datatype, uri(name)) as signal:
                _require(await signal.get_value() == old, name, await signal.get_value())
                await signal.set(new)
                _require(await signal.get_value() == new, name, await signal.get_value())
                _require(await signal.locate() == {"setpoint": new, "readback": new}, name)
                await signal.set(old)
                _require(await signal.get_value() == old, name, await signal.get_value())

    async def test_an_array_keeps_its_length_and_its_dtype(self, uri: Uri) -> None:
        """Arrays."""
        async with connected_signal(NDArray[np.float64], uri("array")) as signal:
            before = await signal.get_value()
            _require(before.dtype == np.float64 and before.tolist() == [1.0, 2.0, 3.0], before)
            await signal.set(np.arange(5.0))
            _require((await signal.get_value()).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0], await signal.get_value())
            await signal.set(before)

    async def test_the_instant_is_kept_to_the_nanosecond(self, uri: Uri) -> None:
        """Times."""
        async with connected_signal(float, uri("double")) as signal:
            reading = await signal.reading()
            seconds, nanoseconds = reading.get("stamp", (0, 0))
            _require(seconds > 1_600_000_000 and 0 <= nanoseconds < 10**9, reading)
            _require(abs(seconds + nanoseconds * 1e-9 - reading["timestamp"]) < 1e-6, reading)

    async def test_a_number_that_does_not_fit_is_refused_before_it_is_written(self, uri: Uri) -> None:
        """Nothing is rounded or wrapped in silence."""
        async with connected_signal(int, uri("short")) as signal:
            for value in (1.5, 2**70, "many"):
                try:
                    await signal.put(value)
                except ValueRefusedError as error:
                    _require("nothing was written" in str(error), str(error))
                else:
                    _require(False, f"{value!r} was taken")
            _require(await signal.get_value() == 3)

    async def test_a_bool_takes_no_text_for_true(self, uri: Uri) -> None:
        """The label "No" is not True."""
        async with connected_signal(bool, uri("flag")) as signal:
            try:
                await signal.put("No")
            except ValueRefusedError as error:
                _require("True or False" in str(error), str(error))
            else:
                _require(False, "a text was taken for a bool")

    async def test_lists_of_text_and_of_choices_are_read_and_written(self, uri: Uri) -> None:
        """Sequences."""
        async with connected_signal(list[str], uri("strings")) as signal:
            _require(await signal.get_value() == ["a", "b"], await signal.get_value())
            await signal.set(["b", "a", "b"])
            _require(await signal.get_value() == ["b", "a", "b"], await signal.get_value())
            await signal.set(["a", "b"])
        async with connected_signal(list[Letters], uri("strings")) as choices:
            _require(await choices.get_value() == [Letters.A, Letters.B])
            await choices.set([Letters.B])
            _require(await choices.get_value() == [Letters.B])
            try:
                await choices.put(["z"])
            except ValueRefusedError as error:
                _require("z" in str(error), str(error))
            else:
                _require(False, "a choice that does not exist was taken")
            await choices.set([Letters.A, Letters.B])

    async def test_a_staged_signal_is_read_from_its_monitor(self, uri: Uri) -> None:
        """Caching."""
        async with connected_signal(float, uri("quick")) as signal:
            await signal.set(0.0)
            await signal.stage()
            with signal.observe() as values:
                _require(await anext(values) == 0.0)
                await signal.set(7.0)
                _require(await anext(values) == 7.0)
                _require(await signal.get_value() == 7.0)
            await signal.unstage()
            await signal.set(0.0)
            _require(await signal.get_value() == 0.0)

    async def test_a_subscriber_is_called_at_once_at_every_change_and_no_more_when_it_is_cleared(
        self, uri: Uri
    ) -> None:
        """Bluesky's Subscribable."""
        async with connected_signal(float, uri("quick")) as signal:
            await signal.set(0.0)
            seen: list[float] = []
            arrived = asyncio.Event()

            def note(reading: dict[str, Reading[float]]) -> None:
                seen.append(reading["signal"]["value"])
                arrived.set()

            signal.subscribe(note)
            for value in (1.0, 2.0):
                await arrived.wait()
                arrived.clear()
                await signal.set(value)
            await arrived.wait()
            signal.clear_sub(note)
            await signal.set(0.0)
            _require(seen == [0.0, 1.0, 2.0], seen)

    async def test_every_verb_may_be_awaited_in_another_loop(self, uri: Uri) -> None:
        """Bridges."""
        async with connected_signal(float, uri("quick")) as signal:
            await signal.set(0.0)

            async def elsewhere() -> list[float]:
                seen = [await signal.get_value()]
                with signal.observe() as values:
                    seen.append(await anext(values))
                    status = signal.set(1.0)
                    await status
                    _require(status.success, status)
                    seen.append(await anext(values))
                seen.append(await signal.wait_for_value(1.0))
                seen.append((await signal.locate())["setpoint"])
                seen.append((await signal.read())["signal"]["value"])
                await signal.put(0.0)
                return seen

            seen = await asyncio.to_thread(asyncio.run, elsewhere())
            _require(seen == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0], seen)
            _require(await signal.get_value() == 0.0)

    async def test_enums_match_as_strict_subset_and_superset(self, uri: Uri) -> None:
        """Choices."""
        for datatype in (ThreeStates, OneState, FourStates):
            async with connected_signal(datatype, uri("enum")) as signal:
                _require(await signal.get_value() is datatype("Idle"), datatype)

    async def test_other_choices_are_refused_at_connect_and_named(self, uri: Uri) -> None:
        """The error says what was expected and what is served."""
        try:
            async with connected_signal(OtherStates, uri("enum")):
                _require(False, "connected to an enum with other choices")
        except (NotConnectedError, DatatypeError) as error:
            _require("Shut" in str(error) and "Busy" in str(error), str(error))

    async def test_a_choice_that_is_none_is_refused_before_it_is_written(self, uri: Uri) -> None:
        """Nothing is written."""
        async with connected_signal(str, uri("enum")) as signal:
            try:
                await signal.set("Nonsense")
            except ValueRefusedError as error:
                _require("Nonsense" in str(error) and "Busy" in str(error), str(error))
            else:
                _require(False, "a choice that does not exist was taken")
            _require(await signal.get_value() == "Idle")

    async def test_an_observer_sees_the_current_value_and_then_each_change(self, uri: Uri) -> None:
        """Monitors."""
        async with connected_signal(float, uri("quick")) as signal:
            await signal.set(0.0)
            with signal.observe() as values:
                _require(await anext(values) == 0.0)
                for value in (1.0, 2.0, 3.0):
                    await signal.set(value)
                    _require(await anext(values) == value, value)
                await signal.set(0.0)

    async def test_a_slow_observer_ends_with_the_newest_value_and_knows_what_it_missed(self, uri: Uri) -> None:
        """Conflation."""
        async with connected_signal(float, uri("quick")) as signal:
            await signal.set(0.0)
            with signal.observe(capacity=2) as slow, signal.observe() as fast:
                for value in range(1, 11):
                    await signal.set(float(value))
                while await anext(fast) != 10.0:
                    continue
                kept = [await anext(slow), await anext(slow)]
                statistics = slow.statistics()
                _require(kept == [9.0, 10.0], kept)
                _require(statistics.conflated == statistics.received - 2 > 0, statistics)
            await signal.set(0.0)

    async def test_waiting_ends_with_the_value_or_names_what_was_seen(self, uri: Uri) -> None:
        """wait_for_value."""
        async with connected_signal(int, uri("integer")) as signal:
            _require(await signal.wait_for_value(7) == 7)
            try:
                await signal.wait_for_value(8, timeout=0.2)
            except TimeoutError as error:
                _require("8" in str(error) and "7" in str(error), str(error))
            else:
                _require(False, "a value that never came")

    async def test_disconnecting_ends_observers_and_may_be_repeated(self, uri: Uri) -> None:
        """Clean-up."""
        async with connected_signal(float, uri("double")) as signal:
            values = signal.observe()
            await anext(values)
            await signal.disconnect()
            await signal.disconnect()
            _require([value async for value in values] == [])

    async def test_a_device_connects_again_after_it_was_disconnected(self, uri: Uri) -> None:
        """Life after disconnect."""
        device = Device("device")
        device.adopt("signal", SignalRW(float, read=uri("double"), write=uri("double")))
        for _ in range(2):
            await device.connect(timeout=5.0)
            await device.disconnect()
