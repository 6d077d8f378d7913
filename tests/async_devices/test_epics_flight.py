"""PandA, PMAC and camera together: fifty frames on the encoder's positions, every one accounted for."""

import asyncio

import numpy as np
import pytest
from wingbeat.async_devices import NotConnectedError, StaticPathProvider
from wingbeat.async_devices.epics import AreaDetector, Motor, Panda, Pmac
from wingbeat.async_devices.errors import BuildFailedError, ExecuteFailedError, IntrospectionError
from wingbeat.async_devices.flight import FlightDetector, Identity, TriggerInfo
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

pytestmark = pytest.mark.system
FRAMES = 50
LIVE, DEAD = 112_500, 12_500  # ticks of 8 ns: 0.9 ms and 0.1 ms


def one_line(position):
    columns = {
        "repeats": np.array([FRAMES], np.uint16),
        "trigger": np.array(["POSA>=POSITION"]),
        "position": np.array([position], np.int32),
        "time1": np.array([LIVE], np.uint32),
        "time2": np.array([DEAD], np.uint32),
    }
    for letter in "abcdef":
        columns |= {f"out{letter}1": np.array([letter == "a"]), f"out{letter}2": np.array([False])}
    return columns


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
async def pmac(simulated_beamline):
    pmac, x = Pmac(f"{simulated_beamline.prefix}PMAC:", name="pmac"), Motor(f"{simulated_beamline.prefix}X", name="x")
    await pmac.connect()
    await x.connect()
    await x.set(0.0)
    yield pmac
    await pmac.abort()
    await x.set(0.0)
    await x.disconnect()
    await pmac.disconnect()


def a_pass_over_the_sample():
    """0 to 0.05 mm in 50 ms, on at 2 mm/s to 0.55 mm, and to rest at 0.6 mm."""
    return {
        "times_us": np.array([50_000, 250_000, 50_000]),
        "positions": {"X": np.array([0.05, 0.55, 0.6])},
        "velocities": {"X": np.array([2.0, 2.0, 0.0])},
    }


async def test_the_tree_holds_what_the_panda_serves_and_names_what_it_does_not(panda):
    assert isinstance(panda.capture, FlightDetector)
    assert panda.capture.name == "panda"
    assert await panda.block("seq", 1)["active"].get_value() is False
    assert panda.block("seq", 2)["table"].name == "panda-seq-2-table"
    with pytest.raises(IntrospectionError, match=r"SEQ1.*'tabel'.*'table'"):
        panda.block("seq", 1)["tabel"]
    with pytest.raises(IntrospectionError, match="SEQ2"):
        panda.block("seq", 9)


async def test_routing_scales_and_health_are_read_as_the_rig_names_them(panda):
    routing = await panda.routing()
    assert routing["SEQ1.POSA"] == "INENC1.VAL"
    assert routing["PCAP.GATE"] == routing["PCAP.TRIG"] == routing["TTLOUT1.VAL"] == "SEQ1.OUTA"
    scale = (await panda.encoder_scales())["INENC1"]
    assert (scale.scale, scale.offset, scale.units) == (1e-4, 0.0, "mm")
    health = await panda.health()
    assert health["SEQ1"] == health["PCAP"] == "OK"


async def test_a_table_reads_back_as_it_was_loaded(panda):
    await panda.load_sequencer(one_line(1000), prescale_ticks=125, repeats=3)
    seq = panda.block("seq", 1)
    back = await seq["table"].get_value()
    assert list(back["trigger"]) == ["POSA>=POSITION"]
    assert back["time1"].tolist() == [LIVE]
    assert back["outa1"].tolist() == [True]
    assert await seq["prescale"].get_value() == pytest.approx(1.0)
    assert await seq["repeats"].get_value() == 3


async def test_a_panda_that_is_not_there_is_named(simulated_beamline):
    panda = Panda("NOBODY:", name="panda")
    with pytest.raises(NotConnectedError, match=r"pva://NOBODY:PVI: no answer"):
        await panda.connect(timeout=0.3)
    await panda.disconnect()


async def test_a_profile_that_cannot_be_flown_is_refused_with_the_controllers_reason(pmac):
    far = {"times_us": np.array([1000]), "positions": {"X": np.array([99.0])}, "velocities": {"X": np.array([0.0])}}
    with pytest.raises(
        BuildFailedError, match=r"pmac: the controller refused the profile of 1 points \(Failure\): \w+"
    ):
        await pmac.build(coordinate_system="CS1", **far)
    with pytest.raises(BuildFailedError, match="one position and one velocity per time"):
        await pmac.build(coordinate_system="CS1", **(far | {"times_us": np.array([1, 2])}))
    jump = far | {"positions": {"X": np.array([9.0])}}
    with pytest.raises((BuildFailedError, ExecuteFailedError), match=r"\(Failure\): .*away from the first point"):
        await build_and_execute(pmac, jump)


async def build_and_execute(pmac, profile):
    await pmac.build(coordinate_system="CS1", **profile)
    await pmac.execute()


async def test_an_aborted_profile_fails_and_says_so(pmac):
    long = {
        "times_us": np.array([4_000_000]),
        "positions": {"X": np.array([5.0])},
        "velocities": {"X": np.array([0.0])},
    }
    await pmac.build(coordinate_system="CS1", **long)
    status = pmac.execute()
    await pmac.execute_state.wait_for_value("Executing")
    async with asyncio.timeout(2):
        await pmac.abort()
    with pytest.raises(ExecuteFailedError, match="Aborted"):
        await status


async def test_fifty_frames_on_positions_are_all_written_and_recognised(panda, pmac, simulated_beamline, tmp_path):
    cam = AreaDetector(
        f"{simulated_beamline.prefix}CAM:",
        path_provider=StaticPathProvider(tmp_path),
        identity=Identity.HARDWARE_TIME,
        name="cam",
    )
    await cam.connect()
    info = TriggerInfo(kind="edge", livetime=LIVE * 8e-9, deadtime=DEAD * 8e-9, frames=FRAMES)
    await panda.disable_sequencer()
    await panda.load_sequencer(one_line(1000))
    await cam.prepare(info)
    await panda.capture.prepare(info)
    await panda.arm()
    await panda.enable_sequencer()
    await pmac.build(coordinate_system="CS1", **a_pass_over_the_sample())
    points = []
    status = pmac.execute()
    status.watch(lambda **progress: points.append(progress["current"]))
    await status
    assert points[-1] == 3
    for detector in (cam, panda.capture):
        async with asyncio.timeout(5):
            async for written in detector.observe_written():
                if written == FRAMES:
                    break
    rows = FrameRange(0, FRAMES)
    ours, theirs = await panda.capture.identities(rows), await cam.identities(rows)
    assert ours.trigger_numbers.tolist() == list(range(1, FRAMES + 1))
    assert theirs.unique_ids.tolist() == list(range(1, FRAMES + 1))
    assert np.abs(ours.times_ns - theirs.times_ns).max() < 1_000, "both stamp the start of the exposure"
    assets = {asset.data_key: asset for asset in await panda.capture.assets()}
    counts = await cam.counts()
    assert (counts.exposed, counts.written, counts.dropped) == (FRAMES, FRAMES, 0)
    keys = await panda.capture.describe_collect()
    assert set(keys) == set(assets) == set(panda.capture.data_keys)
    assert keys["panda-inenc1-val-mean"]["units"] == "mm"
    await cam.finish()
    await panda.capture.finish()
    asset = assets["panda-inenc1-val-mean"]
    positions = read_rows(path_of_uri(asset.uri), asset.dataset, rows=rows)
    expected = 0.1 + 2e-3 * (np.arange(FRAMES) + 0.45)
    assert np.abs(positions - expected).max() < 3e-4
    await cam.disconnect()
