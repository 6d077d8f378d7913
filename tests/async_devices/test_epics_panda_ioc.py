"""A PandA as PandABlocks-ioc serves it: the same device, other layouts, types and files."""

import asyncio
import os

import numpy as np
import pytest
from wingbeat.async_devices import StaticPathProvider
from wingbeat.async_devices.epics import Panda
from wingbeat.async_devices.epics.errors import DatasetTypeError, MissingFieldError, UnsupportedTableError
from wingbeat.async_devices.epics.panda_file import iso_to_ns
from wingbeat.async_devices.flight import TriggerInfo
from wingbeat.stream_resource.frames import FrameRange

from .conftest import PVA_PORT, PVA_UDP_PORT, SERVERS, ServerProcess
from .test_epics_flight import one_line

pytestmark = pytest.mark.system
START_NS = 1_767_323_045_123_456_789


@pytest.fixture(scope="module")
def panda_ioc():
    server = ServerProcess(str(SERVERS / "panda_ioc_server.py"), "P:", str(PVA_PORT), str(PVA_UDP_PORT))
    os.environ["EPICS_PVA_NAME_SERVERS"] = f"127.0.0.1:{PVA_PORT}"
    yield "P:"
    del os.environ["EPICS_PVA_NAME_SERVERS"]
    server.end()


@pytest.fixture
async def make(panda_ioc, tmp_path):
    made = []

    async def connected(**options):
        panda = Panda(panda_ioc, path_provider=StaticPathProvider(tmp_path), name="panda", **options)
        await panda.connect()
        made.append(panda)
        return panda

    yield connected
    for panda in made:
        await panda.capture.stop()
        await panda.disarm()
        await panda.disconnect()


async def test_an_array_of_blocks_is_blocks_by_number_and_types_are_what_a_client_wants(make):
    panda = await make()
    assert sorted(panda.seq) == [1, 2]
    assert await panda.seq[2].repeats.get_value() == 1
    assert isinstance(await panda.seq[2].repeats.get_value(), int)
    assert await panda.pcap.active.get_value() is False
    await panda.load_sequencer(one_line(1000), prescale_ticks=125, repeats=3)
    assert await panda.seq[1].repeats.get_value() == 3
    with pytest.raises(MissingFieldError, match="no field 'flush_now'"):
        _ = panda.data.flush_now
    with pytest.raises(UnsupportedTableError, match="at most 4096 lines"):
        await panda.load_long_table([one_line(1)] * 2)


async def test_without_flush_now_what_is_counted_is_readable_and_stamped_to_the_nanosecond(make):
    panda = await make(dtypes={"PCAP.BITS0.Value": "uint32"})
    assert (await panda.capture.describe_collect())["panda-pcap-bits0-value"]["dtype_numpy"] == "<u4"
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=10))
    assert await panda.data.flush_period.get_value() == 0.1
    await panda.arm()
    async with asyncio.timeout(10):
        async for written in panda.capture.observe_written():
            if written == 10:
                break
    found = await panda.capture.identities(FrameRange(0, 10))
    assert found.trigger_numbers.tolist() == list(range(1, 11))
    assert found.times_ns.tolist() == (START_NS + np.arange(10) * 1_000_000).tolist()
    await panda.capture.finish()


async def test_a_type_that_its_table_tells_wrong_is_an_error_and_not_another_number(make):
    panda = await make()
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=10))
    await panda.arm()
    with pytest.raises(DatasetTypeError, match=r"PCAP.BITS0.Value as uint32, its descriptor says float64"):
        await panda.capture.identities(FrameRange(0, 10))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.123456789Z", START_NS),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5", 500_000_000),
    ],
)
def test_an_instant_is_read_without_losing_a_nanosecond(text, expected):
    assert iso_to_ns(text) == expected
