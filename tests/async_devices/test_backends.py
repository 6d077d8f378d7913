"""Every back end passes the shipped conformance tests; what one of them does alone follows."""

import asyncio
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from wingbeat.async_devices import NotConnectedError
from wingbeat.async_devices.datatypes import StrictEnum
from wingbeat.async_devices.errors import DisconnectedError, PutFailedError, ValueRefusedError, WaitTimeoutError
from wingbeat.async_devices.mocking import MockBackend
from wingbeat.async_devices.signal import SignalRW
from wingbeat.async_devices.soft import SoftBackend
from wingbeat.async_devices.testing import BackendTests, ThreeStates, connected_signal

from tests.async_devices.conftest import SERVERS, ServerProcess, free_port


@pytest.mark.system
class TestCa(BackendTests):
    @pytest.fixture
    def uri(self, ca_server):
        return lambda name: f"ca://{ca_server}{name}"

    async def test_a_second_put_during_a_callback_does_not_block_the_circuit(self, uri):
        async with connected_signal(float, uri("slow")) as slow, connected_signal(float, uri("double")) as other:
            first = slow.set(1.0)
            await asyncio.sleep(0.05)
            second = slow.set(2.0)
            begun = time.monotonic()
            await other.get_value()
            assert time.monotonic() - begun < 0.3
            await first
            await second

    async def test_a_put_whose_wait_was_given_up_keeps_its_callback_outstanding(self, uri):
        async with connected_signal(float, uri("slow")) as slow:
            with pytest.raises(WaitTimeoutError, match="without a callback"):
                await slow.put(1.0, timeout=0.05)
            begun = time.monotonic()
            await slow.put(2.0, timeout=3.0)
            assert time.monotonic() - begun > 0.2, "it did not wait for the callback that was outstanding"

    async def test_text_that_would_be_cut_short_is_refused(self, uri):
        async with connected_signal(str, uri("label")) as label, connected_signal(str, uri("text")) as text:
            with pytest.raises(ValueRefusedError, match="39"):
                await label.put("x" * 40)
            with pytest.raises(ValueRefusedError, match="63"):
                await text.put("x" * 64)

    async def test_units_limits_and_precision_are_described(self, uri):
        async with connected_signal(float, uri("double")) as signal:
            key = (await signal.describe())["signal"]
        assert key["units"] == "mm"
        assert key["precision"] == 3
        assert key["limits"] == {"control": {"low": -5.0, "high": 5.0}}

    async def test_a_pv_that_nobody_serves_is_named(self, ca_server):
        signal = SignalRW(float, read="ca://T:absent", write="ca://T:absent", name="absent")
        with pytest.raises(NotConnectedError, match=r"ca://T:absent.*no answer"):
            await signal.connect(timeout=0.3)
        await signal.disconnect()


@pytest.mark.system
async def test_an_observer_of_a_killed_server_learns_of_it_within_two_seconds(monkeypatch):
    tcp_port, udp_port = str(free_port()), str(free_port())
    monkeypatch.setenv("EPICS_PVA_NAME_SERVERS", f"127.0.0.1:{tcp_port}")
    server = ServerProcess(str(SERVERS / "pva_server.py"), "K:", tcp_port, udp_port)
    async with connected_signal(float, "pva://K:double") as signal:
        with signal.observe() as values:
            assert await anext(values) == 1.5
            server.kill()
            with pytest.raises(DisconnectedError, match="pva://K:double"):
                async with asyncio.timeout(2):
                    await anext(values)


@pytest.mark.system
class TestPva(BackendTests):
    @pytest.fixture
    def uri(self, pva_server):
        return lambda name: f"pva://{pva_server}{name}"

    async def test_a_refused_write_carries_the_servers_reason(self, uri):
        async with connected_signal(float, uri("refuses")) as signal:
            with pytest.raises(PutFailedError, match="not today"):
                await signal.set(1.0)

    async def test_tables_are_columns_by_name(self, uri):
        async with connected_signal(dict, uri("table")) as signal:
            table = await signal.get_value()
            assert list(table["name"]) == ["x", "y"]
            await signal.put(table | {"number": np.array([5, 6], np.int32)})
            assert (await signal.get_value())["number"].tolist() == [5, 6]

    async def test_text_in_an_array_of_bytes_always_ends_with_a_nul(self, uri):
        async with connected_signal(str, uri("bytes")) as signal, connected_signal(None, uri("bytes")) as raw:
            await signal.put("/tmp/µ")
            assert await signal.get_value() == "/tmp/µ"
            assert (await raw.get_value())[-1] == 0

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [
            ("byte", -(2**7), 2**7 - 1),
            ("ubyte", 0, 2**8 - 1),
            ("short", -(2**15), 2**15 - 1),
            ("ushort", 0, 2**16 - 1),
            ("uint", 0, 2**32 - 1),
            ("long", -(2**63), 2**63 - 1),
            ("ulong", 0, 2**64 - 1),
        ],
    )
    async def test_integers_of_every_width_keep_their_ends_and_refuse_what_lies_beyond(self, uri, name, low, high):
        async with connected_signal(int, uri(name)) as number:
            before = await number.get_value()
            for value in (low, high):
                await number.put(value)
                assert await number.get_value() == value
            for value in (low - 1, high + 1):
                with pytest.raises(ValueRefusedError, match="does not fit"):
                    await number.put(value)
            assert await number.get_value() == high
            await number.put(before)

    async def test_an_image_has_its_shape_and_its_dtype_read_and_written(self, uri):
        async with connected_signal(NDArray[np.uint16], uri("image")) as signal:
            image = await signal.get_value()
            assert (image.dtype, image.tolist()) == (np.uint16, [[0, 1, 2], [3, 4, 5]])
            assert (await signal.describe())["signal"]["shape"] == [2, 3]
            colour = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
            await signal.put(colour)
            assert np.array_equal(await signal.get_value(), colour)
            await signal.put(image)

    async def test_alarm_its_message_its_limits_and_the_nanosecond_come_along(self, uri):
        async with connected_signal(float, uri("alarmed")) as signal:
            reading = await signal.reading()
            assert (reading["alarm_severity"], reading["message"]) == (2, "HIHI")
            assert reading["stamp"] == (1_700_000_000, 123_456_789)
            limits = (await signal.describe())["signal"]["limits"]
            assert limits["warning"] == {"low": 0.0, "high": 6.0}
            assert limits["alarm"] == {"low": 0.0, "high": 8.0}

    async def test_a_table_with_columns_it_does_not_have_or_of_two_lengths_is_refused(self, uri):
        async with connected_signal(dict, uri("table")) as signal:
            for columns in ({"colour": ["x"]}, {"name": ["x"], "number": [1, 2]}):
                with pytest.raises(ValueRefusedError, match=r"\['name', 'number'\]"):
                    await signal.put(columns)
            assert (await signal.get_value())["name"][0] == "x"

    async def test_fields_of_a_structure_are_written_alone(self, uri):
        async with connected_signal(dict, uri("structure")) as signal:
            await signal.put({"b": {"c": "new"}})
            assert (await signal.get_value())["b"]["c"] == "new"
            await signal.put({"a": 1.0, "b": {"c": "x"}})

    async def test_a_structure_of_no_known_type_reads_as_a_dict(self, uri):
        async with connected_signal(None, uri("structure")) as signal:
            assert await signal.get_value() == {"a": 1.0, "b": {"c": "x"}}

    async def test_a_pv_that_nobody_serves_is_named(self, pva_server):
        signal = SignalRW(float, read="pva://T:absent", write="pva://T:absent", name="absent")
        with pytest.raises(NotConnectedError, match=r"pva://T:absent.*no answer"):
            await signal.connect(timeout=0.3)
        await signal.disconnect()


class SoftServer:
    """Soft PVs are their back ends: the same name is the same object."""

    def __init__(self):
        self.pvs = {
            "double": SoftBackend("soft://double", datatype=float, initial=1.5),
            "integer": SoftBackend("soft://integer", datatype=int, initial=7),
            "flag": SoftBackend("soft://flag", datatype=bool),
            "text": SoftBackend("soft://text", datatype=str, initial="hello"),
            "enum": SoftBackend("soft://enum", datatype=ThreeStates),
            "array": SoftBackend(
                "soft://array", datatype=np.ndarray[tuple[int], np.dtype[np.float64]], initial=[1.0, 2.0, 3.0]
            ),
            "quick": SoftBackend("soft://quick", datatype=float),
            "strings": SoftBackend("soft://strings", datatype=list[str], initial=["a", "b"]),
            "short": SoftBackend("soft://short", datatype=int, initial=3),
        }


class TestSoft(BackendTests):
    @pytest.fixture
    def uri(self):
        return SoftServer().pvs.__getitem__

    # A soft PV has the type of its only user: there is no server whose type could differ.
    test_enums_match_as_strict_subset_and_superset = None
    test_other_choices_are_refused_at_connect_and_named = None
    test_a_choice_that_is_none_is_refused_before_it_is_written = None
    test_lists_of_text_and_of_choices_are_read_and_written = None
    test_a_number_that_does_not_fit_is_refused_before_it_is_written = None  # a Python int holds any

    async def test_a_value_of_another_type_is_refused(self):
        class Colour(StrictEnum):
            RED = "Red"

        with pytest.raises(ValueRefusedError, match="Blue"):
            await SoftBackend("soft://colour", datatype=Colour).put("Blue")
        with pytest.raises(ValueRefusedError, match="number"):
            await SoftBackend("soft://number", datatype=float).put("many")


class TestMock(BackendTests):
    @pytest.fixture
    def uri(self):
        return mocks().__getitem__

    # A mock has the type of its only user: there is no server whose type could differ.
    test_enums_match_as_strict_subset_and_superset = None
    test_other_choices_are_refused_at_connect_and_named = None
    test_a_choice_that_is_none_is_refused_before_it_is_written = None
    test_lists_of_text_and_of_choices_are_read_and_written = None
    test_a_number_that_does_not_fit_is_refused_before_it_is_written = None


def mocks():
    kinds = {name: backend.datatype for name, backend in SoftServer().pvs.items()}
    found = {name: MockBackend(f"ca://{name}", datatype=datatype) for name, datatype in kinds.items()}
    for name, value in {"double": 1.5, "integer": 7, "text": "hello", "array": [1.0, 2.0, 3.0], "short": 3}.items():
        found[name].set_now(value)
    return found
