"""Blocks at work together: positions compared, pulses counted, tables streamed, encoders homed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.axis import Axis, trapezoid
from wingbeat.sim_iocs.beamline import Beamline
from wingbeat.sim_iocs.clock import VirtualClock
from wingbeat.sim_iocs.errors import RefusedPutError
from wingbeat.sim_iocs.panda_model import PandaModel
from wingbeat.sim_iocs.panda_settings import PandaSettings
from wingbeat.sim_iocs.settings import BeamlineSettings

from .panda_bench import EPOCH, MS, Broken, fly, model, still, table

TICK = 8


def plain(x: Any = None, y: Any = None, **counts: int) -> PandaModel:
    """Nothing armed or enabled; an encoder at rest unless given."""
    return PandaModel({"INENC1": x or still(), "INENC2": y or still()}, epoch_ns=EPOCH, counts=counts)


def rises(made: PandaModel, output: str = "TTLOUT1") -> list[int]:
    """Ticks of the rises, from that of the epoch on."""
    return [(edge - EPOCH) // TICK for edge in made.take_edges(output)]


def values(made: PandaModel, name: str) -> list[float]:
    return [float(value) for batch in made.take_batches() for value in batch.columns[name]]


def test_position_compare_fires_where_the_axis_crosses() -> None:
    axis = Axis("X", position=-1.0)
    axis.append(trapezoid(EPOCH, -1.0, target=5.0, speed=2.0, acceleration=10.0))
    made = plain(axis)
    made.route("PCOMP1.INP", "INENC1.VAL")
    made.route("TTLOUT1.VAL", "PCOMP1.OUT")
    made.configure("PCOMP1", start=0, step_size=1000, width=400, pulses=30)
    made.route("PCOMP1.ENABLE", "ONE")
    made.advance(EPOCH + 5000 * MS)
    crossings = [axis.first_time(1000 * n, rising=True, start_ns=EPOCH, stop_ns=EPOCH + 5000 * MS) for n in range(30)]
    ticks = [-(-(t - EPOCH) // TICK) for t in crossings if t is not None]
    assert rises(made) == [tick + 1 for tick in ticks]  # one hop to the connector
    assert made.blocks["PCOMP1"].produced == 30  # type: ignore[attr-defined]


def test_the_same_compare_is_found_whatever_the_pump() -> None:
    found = []
    for step in (3000 * MS, 7 * MS, 333_337):
        axis = Axis("X", position=1.0)
        axis.append(trapezoid(EPOCH + MS, 1.0, target=-1.0, speed=2.0, acceleration=20.0))
        made = plain(axis)
        made.route("PCOMP1.INP", "INENC1.VAL")
        made.route("TTLOUT1.VAL", "PCOMP1.OUT")
        made.configure("PCOMP1", start=0, step_size=500, width=250, dir=2, pulses=12)
        made.route("PCOMP1.ENABLE", "ONE")
        edges, _ = fly(made, 3000 * MS, step=step)
        found.append(edges)
    assert found[0] == found[1][: len(found[0])] == found[2][: len(found[0])]
    assert len(found[0]) == 12


def test_each_trigger_makes_a_train_and_the_train_is_captured() -> None:
    made = model(still(5), table((3, "Immediate", 0, 100, 9900)))
    made.disarm()
    made.route("PULSE1.TRIG", "SEQ1.OUTA")
    made.route("PULSE1.ENABLE", "ONE")
    made.configure("PULSE1", delay=50, width=20, step_time=100, pulses=4)
    for mux in ("PCAP.GATE", "PCAP.TRIG", "TTLOUT1.VAL", "COUNTER1.TRIG"):
        made.route(mux, "PULSE1.OUT")
    made.route("SEQ1.ENABLE", "ZERO")
    made.take_batches()
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    made.take_edges("TTLOUT1")
    made.advance(EPOCH + MS)
    ticks = np.array(rises(made)).reshape(3, 4)
    assert (np.diff(ticks, axis=1) == 100).all()
    assert (np.diff(ticks[:, 0]) == 10_000).all()
    assert values(made, "COUNTER1.OUT.Value") == list(range(1, 13))


def test_a_delayed_input_sees_everything_later() -> None:
    for ticks in (1, 7, 31):
        made = model(still(), table((5, "Immediate", 0, 40, 60)))
        made.route("TTLOUT2.VAL", "SEQ1.OUTA")
        made.delay("TTLOUT2.VAL", ticks)
        made.take_edges("TTLOUT1")
        made.route("SEQ1.ENABLE", "ZERO")
        made.take_edges("TTLOUT2")
        made.route("SEQ1.ENABLE", "ONE")
        made.advance(EPOCH + MS)
        assert [late - prompt for prompt, late in zip(rises(made), rises(made, "TTLOUT2"), strict=True)] == [ticks] * 5
    with pytest.raises(RefusedPutError, match="0 to 31"):
        made.delay("TTLOUT2.VAL", 32)


@given(
    knots=st.lists(st.integers(-300, 300), min_size=2, max_size=5),
    others=st.lists(st.integers(-300, 300), min_size=2, max_size=5),
    threshold=st.integers(-400, 400),
    signs=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    shift=st.integers(0, 2),
    rising=st.booleans(),
)
def test_a_calculated_position_crosses_where_its_sum_does(
    knots: list[int],
    others: list[int],
    threshold: int,
    signs: tuple[int, int],
    shift: int,
    *,
    rising: bool,
) -> None:
    made = plain(
        Broken(*((n * 700, v) for n, v in enumerate(knots))), Broken(*((n * 900, v) for n, v in enumerate(others)))
    )
    made.route("CALC1.INPA", "INENC1.VAL")
    made.route("CALC1.INPB", "INENC2.VAL")
    made.configure("CALC1", typea=signs[0], typeb=signs[1], shift=shift)
    out = made.positions["CALC1.OUT"]
    series = [out.at(tick) for tick in range(10, 500)]
    met = [tick for tick, value in enumerate(series, 10) if (value >= threshold if rising else value <= threshold)]
    found = out.first_tick(threshold, rising=rising, start=10, stop=500)
    assert found == (met[0] if met else 500)
    assert out.values(np.arange(10, 500)).tolist() == series
    assert out.extreme(10, 500, largest=rising) == (max(series) if rising else min(series))


def test_a_calculation_cannot_be_made_of_itself() -> None:
    made = plain(CALC=2)
    made.route("CALC1.INPA", "CALC2.OUT")
    with pytest.raises(RefusedPutError, match=r"made of CALC2\.OUT itself"):
        made.route("CALC2.INPD", "CALC1.OUT")
    assert made.routing["CALC2.INPD"] == "ZERO"


def test_a_sum_of_encoders_triggers_and_is_captured() -> None:
    made = model(Broken((0, 0), (100 * MS, 1000)), table((10, "POSB>=POSITION", 1500, 10_000, 10_000)))
    made.disarm()
    made.route("SEQ1.ENABLE", "ZERO")
    made.route("CALC1.INPA", "INENC1.VAL")
    made.route("CALC1.INPB", "INENC1.VAL")
    made.route("SEQ1.POSB", "CALC1.OUT")
    made.set_capture("CALC1.OUT", "Mean")
    made.take_batches()
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 80 * MS)
    assert (rises(made)[0] * TICK) // 1000 == 75 * MS // 1000
    means = values(made, "CALC1.OUT.Mean")
    assert means[0] == pytest.approx(1500.8, abs=0.01)  # half of 80 us later, at 2 x 10 counts per ms
    assert np.diff(means) == pytest.approx([3.2] * (len(means) - 1), abs=0.01)


def test_a_position_encoded_and_decoded_is_the_position() -> None:
    made = plain(Broken((0, 0), (MS, 400), (2 * MS, -250), (3 * MS, 10)))
    made.route("POSENC1.INP", "INENC1.VAL")
    made.route("QDEC1.A", "POSENC1.A")
    made.route("QDEC1.B", "POSENC1.B")
    made.configure("POSENC1", period=10)
    made.configure("QDEC1", setp=0)
    made.route("POSENC1.ENABLE", "ONE")
    for t in (MS // 2, MS, 3 * MS // 2, 2 * MS, 7 * MS // 2):
        made.advance(EPOCH + t)
        assert abs(made.blocks["QDEC1"].out - made.positions["INENC1.VAL"].at(made.fabric.stop)) <= 1  # type: ignore[attr-defined]


def test_what_comes_in_at_a_connector_gates_the_sequencer() -> None:
    made = model(still(), table((3, "BITA=1", 0, 10, 10)))
    made.route("SEQ1.BITA", "TTLIN1.VAL")
    made.take_edges("TTLOUT1")
    times = np.array([EPOCH + 100_000, EPOCH + 100_080, EPOCH + 200_000])
    made.feed("TTLIN1", times, np.array([True, False, True]))
    made.advance(EPOCH + MS)
    assert rises(made) == [12_500 + 2, 25_000 + 2, 25_020 + 2]


def parts() -> list[dict[str, Any]]:
    return [
        table((50, "Immediate", 0, 40, 60)),
        table((30, "Immediate", 0, 40, 60)),
        table((20, "Immediate", 0, 40, 60)),
    ]


def test_a_streamed_table_runs_as_one() -> None:
    made = plain()
    made.append_table(1, parts()[0], more=True)
    made.advance(EPOCH + 1000)
    assert made.sequencer(1).state == 1
    made.append_table(1, parts()[1], more=True)
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 50_000)
    made.append_table(1, parts()[2], more=False)
    made.advance(EPOCH + MS)
    assert np.diff(rises(made)).tolist() == [100] * 99
    seq = made.sequencer(1)
    assert (seq.state, seq.active, seq.health, seq.table_line, seq.queued_lines) == (0, 0, 0, 3, 0)
    assert values(made, "COUNTER1.OUT.Value") == list(range(1, 101))


def test_a_table_that_is_not_continued_in_time_is_an_underrun() -> None:
    made = plain()
    made.append_table(1, parts()[0], more=True)
    made.advance(EPOCH + 1000)
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + MS)
    seq = made.sequencer(1)
    assert (len(rises(made)), seq.state, seq.active, seq.outs, seq.health) == (50, 0, 0, 0, 1)
    made.route("SEQ1.ENABLE", "ZERO")
    made.load_table(1, parts()[2])
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 2 * MS)
    assert (len(rises(made)), seq.health) == (20, 0)


def test_a_table_that_nobody_expects_is_an_error() -> None:
    made = model(still(), table((0, "Immediate", 0, 40, 60)))
    made.append_table(1, parts()[0], more=False)
    seq = made.sequencer(1)
    assert (seq.health, seq.active, seq.state) == (2, 0, 0)


def test_a_table_too_far_ahead_is_refused_and_the_others_stay() -> None:
    made = plain()
    long = table(*[(1, "Immediate", 0, 40, 60)] * 4096)
    for _ in range(4):
        made.append_table(1, long, more=True)
    with pytest.raises(RefusedPutError, match="16384 lines ahead"):
        made.append_table(1, long, more=True)
    assert made.sequencer(1).queued_lines == 16_384


def test_a_set_point_moves_all_that_follows_and_nothing_before() -> None:
    made = model(Broken((0, 0), (100 * MS, 1000)), table((100, "Immediate", 0, 10_000, 2500)))
    made.advance(EPOCH + 5 * MS + 40_000)
    made.configure("INENC1", setp=5000)
    made.advance(EPOCH + 20 * MS)
    means = np.array(values(made, "INENC1.VAL.Mean")) / 1e-4
    steps = np.diff(means)
    jumps = np.flatnonzero(np.abs(steps - 1.0) > 1e-6)
    assert len(jumps) == 2  # into the row in which it happened, and out of it
    assert jumps[1] == jumps[0] + 1 == 50
    assert steps[jumps].sum() == pytest.approx(5000 - 50 + 2, abs=1.5)
    assert made.encoder("INENC1").homed == 1


def test_the_reference_mark_homes_an_encoder_when_it_is_passed() -> None:
    made = plain(Broken((0, -1000), (100 * MS, 1000), (150 * MS, 900)))
    made.configure("INENC1", setp=70_000)
    made.configure("INENC1", rst_on_z=1)
    made.advance(EPOCH + 49 * MS)
    before = made.positions["INENC1.VAL"].at(made.fabric.stop)
    made.advance(EPOCH + 75 * MS)
    assert before == pytest.approx(70_980, abs=2)
    assert made.positions["INENC1.VAL"].at(made.fabric.stop) == pytest.approx(500, abs=1)


def test_standard_deviation_is_that_of_the_path() -> None:
    made = model(Broken((0, 0), (100 * MS, 100_000)), table((3, "Immediate", 0, 10_000, 2500)))
    made.disarm()
    made.set_capture("INENC1.VAL", "StdDev")
    made.set_capture("INENC2.VAL", "StdDev")
    made.route("SEQ1.ENABLE", "ZERO")
    made.take_batches()
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 10 * MS)
    batches = made.take_batches()
    # 80 us at 1 count per us: a rectangle 80 counts wide.
    assert batches[-1].columns["INENC1.VAL.StdDev"] == pytest.approx([80 / 12**0.5 * 1e-4] * 3, rel=1e-2)
    assert batches[-1].columns["INENC2.VAL.StdDev"].tolist() == [0.0] * 3


def test_gated_ticks_that_32_bits_cannot_count_end_the_capture() -> None:
    made = plain()
    made.route("PCAP.GATE", "ONE")
    made.route("PCAP.TRIG", "BITS.OUTA")
    made.configure("PCAP", trig_edge=0)
    made.arm()
    made.advance(EPOCH + 35_000 * MS)
    made.set_bit("BITS.OUTA", 1)
    assert (made.pcap.health, made.pcap.active) == (2, 0)
    assert [batch.end for batch in made.take_batches()] == ["Driver data overrun"]


def test_how_many_blocks_there_are_is_a_setting() -> None:
    made = plain(LUT=5, SEQ=1)
    assert "LUT5.OUT" in made.bit_names
    assert "SEQ2.OUTA" not in made.bit_names
    with pytest.raises(RefusedPutError, match="kind of block 'LUTS'"):
        plain(LUTS=1)


async def test_a_beamline_may_have_several_of_them_each_of_its_own_size() -> None:
    boxes = {"PANDA": PandaSettings(), "BOX": PandaSettings(encoders={"INENC1": "THETA"}, blocks={"LUT": 4})}
    beamline = Beamline(BeamlineSettings(panda=boxes), VirtualClock())
    served = {name: panda.pvs() for name, panda in beamline.pandas.items()}
    assert "SIM:BOX:LUT4:FUNC" in served["BOX"]
    assert "SIM:PANDA:LUT4:FUNC" not in served["PANDA"]
    assert "SIM:BOX:INENC2:VAL" not in served["BOX"]
    assert beamline.pandas["BOX"].model.positions["INENC1.VAL"].units == "deg"
    for panda in beamline.pandas.values():
        await panda.aclose()
