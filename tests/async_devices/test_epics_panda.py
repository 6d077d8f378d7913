"""The PandA: typed blocks of both servers' layouts, its design, and what goes wrong while it captures."""

import asyncio

import numpy as np
import pytest
from wingbeat.async_devices import StaticPathProvider, signal_rw
from wingbeat.async_devices.epics import Panda
from wingbeat.async_devices.epics.errors import (
    CaptureOverrunError,
    DatasetTypeError,
    MissingFieldError,
    PandaDisarmedError,
    PandaFaultError,
)
from wingbeat.async_devices.epics.panda_blocks import KINDS, SeqBlock
from wingbeat.async_devices.epics.panda_settings import differences, write_order
from wingbeat.async_devices.errors import IntrospectionError, UnsupportedTriggerError, WriterError
from wingbeat.async_devices.flight import PausableDetector, TriggerInfo
from wingbeat.stream_resource.frames import FrameRange

from .test_epics_flight import FRAMES, one_line

pytestmark = pytest.mark.system


@pytest.fixture
async def panda(simulated_beamline, tmp_path):
    panda = Panda(f"{simulated_beamline.prefix}PANDA:", path_provider=StaticPathProvider(tmp_path), name="panda")
    await panda.connect()
    yield panda
    await panda.disable_sequencer()
    await panda.capture.stop()
    await panda.disarm()
    await panda.disconnect()


@pytest.fixture
async def somebody_else(simulated_beamline):
    other = Panda(f"{simulated_beamline.prefix}PANDA:", name="other")
    await other.connect()
    yield other
    await other.disconnect()


def triggers_by_itself():
    """Twenty triggers a millisecond apart, at once."""
    table = one_line(0)
    return table | {"repeats": np.array([20], np.uint16), "trigger": np.array(["Immediate"])}


async def test_blocks_are_typed_and_what_is_not_served_is_named_when_it_is_used(panda):
    seq = panda.seq[1]
    assert isinstance(seq, SeqBlock)
    assert seq.table is seq["table"]
    assert seq.repeats.name == "panda-seq-1-repeats"
    assert isinstance(await seq.repeats.get_value(), int)
    assert await panda.pcap.active.get_value() is False
    assert await panda.inenc[1].val_units.get_value() == "mm"
    with pytest.raises(MissingFieldError, match=r"panda-seq-1 \(SEQ1\) has no field 'tabel'"):
        _ = seq.tabel
    assert not hasattr(seq, "tabel")
    with pytest.raises(IntrospectionError, match="no block lut7"):
        panda.block("lut", 7)


async def test_every_block_that_is_served_connects_with_the_types_that_are_declared(panda):
    for name, kind in KINDS.items():
        for block in panda.numbered(name).values():
            assert isinstance(block, kind)
            for field in set(kind.datatypes()) & set(block):
                if field not in ("force_set", "force_rst"):
                    await block[field].get_value()


async def test_a_design_is_what_can_be_set_and_is_loaded_as_it_was(panda):
    design = await panda.save_design()
    assert design["SEQ1.POSA"] == "INENC1.VAL"
    assert not {"PCAP.ARM", "DATA.CAPTURE", "SEQ1.ACTIVE"} & set(design)
    await panda.seq[2].repeats.put(7)
    await panda.pulse[1].width_units.put("ms")
    await panda.pulse[1].width.put(3.0)
    changed = differences(design, await panda.save_design())
    assert {"SEQ2.REPEATS", "PULSE1.WIDTH"} <= set(changed) <= {"SEQ2.REPEATS", "PULSE1.WIDTH", "PULSE1.WIDTH_UNITS"}
    assert changed["SEQ2.REPEATS"].after == 7
    assert set(await panda.load_design(design)) == set(changed), "only what differs is written"
    assert differences(design, await panda.save_design()) == {}
    with pytest.raises(MissingFieldError, match=r"sets \['SEQ9.REPEATS'\].*nothing was written"):
        await panda.load_design({"SEQ9.REPEATS": 1, "SEQ2.REPEATS": 5})
    assert await panda.seq[2].repeats.get_value() == design["SEQ2.REPEATS"]


def test_units_are_written_before_the_values_that_they_scale_and_enables_last():
    order = write_order(["SEQ1.ENABLE", "PULSE1.WIDTH", "SEQ1.TABLE", "PULSE1.WIDTH_UNITS"])
    assert order.index("PULSE1.WIDTH_UNITS") < order.index("PULSE1.WIDTH")
    assert order[-1] == "SEQ1.ENABLE"


async def test_after_a_flight_the_design_differs_in_the_blocks_that_were_flown_and_nowhere_else(panda):
    before = await panda.save_design()
    await capture_twenty(panda)
    await panda.disable_sequencer()
    await panda.disarm()
    await panda.capture.finish()
    changed = differences(before, await panda.save_design())
    assert {name.partition(".")[0] for name in changed} <= {"SEQ1", "DATA"}
    assert "SEQ1.TABLE" in changed


async def all_written(panda, rows):
    async for written in panda.capture.observe_written():
        if written == rows:
            return


async def capture_twenty(panda):
    await panda.disable_sequencer()
    await panda.load_sequencer(triggers_by_itself())
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=20))
    await panda.arm()
    await panda.enable_sequencer()
    await asyncio.wait_for(all_written(panda, 20), timeout=10)


@pytest.fixture
async def fault(simulated_beamline):
    async def put(name, value):
        signal = signal_rw(int, f"pva://{simulated_beamline.prefix}FAULTS:{name}")
        await signal.connect()
        await signal.put(value)
        await signal.disconnect()

    return put


async def test_paused_it_has_every_row_in_the_file_and_goes_on_in_the_same(panda):
    assert isinstance(panda.capture, PausableDetector)
    await capture_twenty(panda)
    assert await panda.capture.pause_at_boundary() == 20
    uri = (await panda.capture.assets())[0].uri
    await panda.disable_sequencer()
    await panda.capture.resume(20)
    await panda.enable_sequencer()
    await asyncio.wait_for(all_written(panda, 40), timeout=10)
    assert (await panda.capture.assets())[0].uri == uri


async def test_disarmed_by_somebody_else_it_says_so_to_whoever_waits(panda, somebody_else):
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=FRAMES))
    await panda.arm()
    waiting = panda.capture.observe_written()
    assert await anext(waiting) == 0
    await somebody_else.disarm()
    with pytest.raises(PandaDisarmedError, match="panda: PCAP was disarmed, and not by this client"):
        await asyncio.wait_for(anext(waiting), timeout=5)
    with pytest.raises(PandaDisarmedError):
        await panda.capture.counts()
    with pytest.raises(PandaDisarmedError):
        await panda.capture.finish()
    assert await panda.data.capture.get_value() is False, "the file is closed all the same"
    await capture_twenty(panda)


async def test_a_dataset_of_another_type_than_described_is_never_read(panda, simulated_beamline, tmp_path):
    wrong = Panda(
        f"{simulated_beamline.prefix}PANDA:",
        path_provider=StaticPathProvider(tmp_path),
        dtypes={"PCAP.TS_START.Value": "uint32"},
        name="wrong",
    )
    await wrong.connect()
    try:
        key = (await wrong.capture.describe_collect())["wrong-pcap-ts_start-value"]
        assert key["dtype_numpy"] == "<u4"
        await capture_twenty(wrong)
        with pytest.raises(DatasetTypeError, match=r"wrong: .* holds PCAP.TS_START.Value as float64.*says uint32"):
            await wrong.capture.identities(FrameRange(0, 20))
    finally:
        await wrong.disable_sequencer()
        await wrong.capture.stop()
        await wrong.disarm()
        await wrong.disconnect()


async def test_rows_of_several_triggers_are_refused(panda):
    with pytest.raises(UnsupportedTriggerError, match="one row per trigger"):
        await panda.capture.prepare(TriggerInfo(kind="edge", frames=20, frames_per_event=2))


def a_part(lines=5, repeats=100):
    """Lines of a hundred triggers, a millisecond apart."""
    line = triggers_by_itself() | {"repeats": np.array([repeats], np.uint16)}
    return {name: np.repeat(column, lines) for name, column in line.items()}


async def test_a_table_of_many_parts_is_played_as_one(panda):
    await panda.disable_sequencer()
    taken = []

    def parts():
        for n in range(3):
            taken.append(n)
            yield a_part()

    table = await panda.load_long_table(parts(), ahead=4)
    assert taken == [0, 1], "one part is sent, and whether another follows is known"
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=1500))
    await panda.arm()
    await panda.enable_sequencer()
    await table.feed()
    assert (table.lines, taken) == (15, [0, 1, 2])
    await asyncio.wait_for(all_written(panda, 1500), timeout=20)
    numbers = (await panda.capture.identities(FrameRange(0, 1500))).trigger_numbers
    assert numbers.tolist() == list(range(1, 1501))
    assert await panda.seq[1].health.get_value() == "OK"


async def test_a_part_that_comes_too_late_is_told_and_the_next_table_runs(panda):
    await panda.disable_sequencer()
    table = await panda.load_long_table([a_part(1, 20)] * 3, ahead=0)
    await panda.enable_sequencer()
    await panda.seq[1].health.wait_for_value("DMA underrun")
    with pytest.raises(PandaFaultError, match=r"panda: SEQ1.HEALTH is 'DMA underrun' with 1 lines sent"):
        await table.feed()
    await capture_twenty(panda)


@pytest.mark.parametrize("name", ["PandaOverrunAt", "PandaDisconnectAt"])
async def test_rows_that_are_lost_on_their_way_to_the_file_are_told_as_it_happens(panda, fault, name):
    await fault(name, 7)
    await panda.disable_sequencer()
    await panda.load_sequencer(triggers_by_itself())
    await panda.capture.prepare(TriggerInfo(kind="edge", frames=20))
    await panda.arm()
    await panda.enable_sequencer()
    with pytest.raises((CaptureOverrunError, WriterError), match="panda: "):
        await asyncio.wait_for(all_written(panda, 20), timeout=10)
    await fault(name, 0)
    await panda.disarm()
    await capture_twenty(panda)
