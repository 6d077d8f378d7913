"""The model in motion: triggers are the crossings of the path, rows are the triggers, numbers count them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.errors import RefusedPutError
from wingbeat.sim_iocs.panda_model import PandaModel
from wingbeat.sim_iocs.panda_table import TRIGGERS

from .panda_bench import EPOCH, MS, Broken, fly, model, still, table


def test_a_line_of_frames_begins_where_the_encoder_crosses() -> None:
    x = Broken((0, -1000), (1000 * MS, 9000))  # 10 counts per ms: reaches 0 at 100 ms
    made = model(x, table((50, "POSA>=POSITION", 0, 100_000, 25_000)))
    edges, rows = fly(made, 300 * MS)
    # One tick from the sequencer to the output.
    assert edges == [100 * MS + 8 + MS * n for n in range(50)]
    assert rows["COUNTER1.OUT.Value"].tolist() == list(range(1, 51))
    assert made.sequencer(1).state == 1


def test_mean_positions_and_time_stamps_are_those_of_the_gate() -> None:
    x = Broken((0, -1000), (1000 * MS, 9000))
    made = model(x, table((50, "POSA>=POSITION", 0, 100_000, 25_000)))
    edges, rows = fly(made, 300 * MS)
    start = made.fabric.ns_of(made.pcap.start_tick) - EPOCH
    opened = np.array(edges)  # the gate sees the output in the tick in which TTLOUT1 does
    assert np.array_equal(np.rint(rows["PCAP.TS_START.Value"] * 1e9).astype(int) + start, opened)
    assert np.array_equal(np.rint(rows["PCAP.TS_TRIG.Value"] * 1e9).astype(int) + start, opened + 800_000)
    assert rows["INENC1.VAL.Mean"] == pytest.approx((-1000 + (opened + 400_000) / 1e5) * 1e-4, abs=1e-12)
    assert rows["INENC2.VAL.Mean"] == pytest.approx(0)


def test_two_flights_over_the_same_path_are_the_same_whatever_the_pump() -> None:
    x = Broken((0, 0), (50 * MS, 5000), (100 * MS, 0), (150 * MS, 5000), (200 * MS, 0))
    rows = table((7, "POSA>=POSITION", 2500, 1000, 1000), (5, "POSA<=POSITION", 2000, 900, 100))
    calm = fly(model(x, rows, repeats=2), 250 * MS, step=250 * MS)
    hasty = fly(model(x, rows, repeats=2), 250 * MS, step=333_331)
    assert calm[0] == hasty[0]
    assert len(calm[0]) == 24
    assert all(np.array_equal(calm[1][name], hasty[1][name]) for name in calm[1])


@given(
    turn=st.integers(5, 60),
    lines=st.lists(
        st.tuples(st.integers(1, 20), st.integers(-200, 3200), st.integers(10, 400), st.integers(10, 400)),
        min_size=1,
        max_size=6,
    ),
)
def test_triggers_are_the_crossings_and_rows_the_triggers(turn: int, lines: list[tuple[int, int, int, int]]) -> None:
    """Odd lines wait for the way up, even ones for the way down of a triangle; a simple reference walks the path."""
    path = [(n * turn * MS, 3000 * (n % 2)) for n in range(8)]
    x = Broken(*path)
    rows = [
        (repeats, "POSA>=POSITION" if n % 2 == 0 else "POSA<=POSITION", position, on, off)
        for n, (repeats, position, on, off) in enumerate(lines)
    ]
    made = model(x, table(*rows))
    end = 7 * turn * MS
    expected = walk(x, rows, enabled=made.fabric.ns_of(made.fabric.stop - 2), end=EPOCH + end)
    edges, captured = fly(made, end, step=7 * MS)
    assert edges == [t + 8 - EPOCH for t in expected if t + 8 - EPOCH < end]
    finished = len(captured.get("COUNTER1.OUT.Value", ()))
    assert 0 <= len(edges) - finished <= 1  # the last gate may still be open
    if finished:
        assert captured["COUNTER1.OUT.Value"].tolist() == list(range(1, finished + 1))


def walk(x: Broken, rows: list[tuple[int, str, int, int, int]], *, enabled: int, end: int) -> list[int]:
    """Starts of the live phases, found by looking for each trigger from the end of the phase before."""
    starts, t = [], enabled
    for repeats, trigger, position, on, off in rows:
        for _ in range(repeats):
            found = x.first_time(position, rising=">=" in trigger, start_ns=t, stop_ns=end + 100 * MS)
            if found is None:
                return starts
            t = EPOCH - (EPOCH - found) // 8 * 8
            starts.append(t)
            t += (on + off) * 8
    return starts


def test_repeats_wait_again_when_the_axis_leaves_the_condition() -> None:
    x = Broken((0, 0), (10 * MS, 100), (20 * MS, 0), (30 * MS, 100))
    made = model(x, table((3, "POSA>=POSITION", 99, 125_000, 125_000)))  # 2 ms per frame; 99 holds for 1.1 ms
    edges, _ = fly(made, 60 * MS)
    assert [edge // MS for edge in edges] == [9, 29, 31]


def test_every_trigger_number_has_the_label_of_the_hardware() -> None:
    assert len(TRIGGERS) == 13
    assert TRIGGERS[:3] == ("Immediate", "BITA=0", "BITA=1")
    assert TRIGGERS[7:] == (
        "POSA>=POSITION",
        "POSA<=POSITION",
        "POSB>=POSITION",
        "POSB<=POSITION",
        "POSC>=POSITION",
        "POSC<=POSITION",
    )


@pytest.mark.parametrize("bit", "ABC")
@pytest.mark.parametrize("value", [0, 1])
def test_a_bit_triggers_by_its_level_through_the_bus(bit: str, value: int) -> None:
    made = model(still(), table((1, f"BIT{bit}={value}", 0, 10, 10)))
    made.route("SEQ1.ENABLE", "ZERO")
    made.set_bit("BITS.OUTB", 1 - value)
    made.route(f"SEQ1.BIT{bit}", "BITS.OUTB")
    made.take_edges("TTLOUT1")
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + MS)
    assert made.take_edges("TTLOUT1") == []
    made.set_bit("BITS.OUTB", value)
    made.advance(EPOCH + 2 * MS)
    assert len(made.take_edges("TTLOUT1")) == 1


def test_a_counter_on_the_position_bus_triggers_the_other_sequencer() -> None:
    made = model(still(), table((10, "Immediate", 0, 10, 10)))
    made.route("SEQ2.POSC", "COUNTER1.OUT")
    made.load_table(2, table((1, "POSC>=POSITION", 4, 10, 10)))
    made.route("TTLOUT2.VAL", "SEQ2.OUTA")
    made.disarm()
    made.arm()
    made.route("SEQ1.ENABLE", "ZERO")
    made.route("SEQ2.ENABLE", "ONE")
    made.advance(EPOCH + MS)
    made.take_edges("TTLOUT1")
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 2 * MS)
    fourth = made.take_edges("TTLOUT1")[3]
    # SEQ1.OUTA rises one tick before TTLOUT1 shows it; counter, position bus, sequencer and output take one tick each.
    assert made.take_edges("TTLOUT2") == [fourth + 8 + 8]


def test_wiring_decides_and_may_form_a_loop() -> None:
    made = model(still(), table((0, "BITA=0", 0, 10, 10)))
    made.configure("LUT1", func=0xFFFF0000)
    made.route("LUT1.INPA", "SEQ1.OUTA")
    made.route("SEQ1.BITA", "LUT1.OUT")
    made.advance(EPOCH + MS)
    # The output holds back the next repeat of the line that drives it, until it has been low for a tick.
    assert set(np.diff(made.take_edges("TTLOUT1"))) == {160}
    made.route("TTLOUT1.VAL", "CLOCK1.OUT")
    made.configure("CLOCK1", period=1000)
    made.route("CLOCK1.ENABLE", "ONE")
    made.advance(EPOCH + 2 * MS)
    assert np.diff(made.take_edges("TTLOUT1")).tolist() == [8000] * 124


def test_prescale_multiplies_every_time() -> None:
    made = model(still(), table((4, "Immediate", 0, 1, 0)), prescale=125)
    edges, _ = fly(made, MS)
    assert np.diff(edges).tolist() == [2000] * 3  # time2 of 0 is one unit


def test_row_and_table_repeats_multiply() -> None:
    made = model(still(), table((3, "Immediate", 0, 50, 50), (2, "Immediate", 0, 0, 70)), repeats=4)
    edges, rows = fly(made, MS)
    assert len(edges) == 12
    assert rows["COUNTER1.OUT.Value"].tolist() == list(range(1, 13))


def test_arming_again_starts_the_numbers_at_one() -> None:
    made = model(still(), table((3, "Immediate", 0, 50, 50)))
    made.advance(EPOCH + MS)
    made.route("SEQ1.ENABLE", "ZERO")
    made.disarm()
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    made.advance(EPOCH + 2 * MS)
    batches = [batch for batch in made.take_batches() if batch.size]
    assert [batch.columns["COUNTER1.OUT.Value"].tolist() for batch in batches] == [[1, 2, 3], [1, 2, 3]]
    assert batches[1].start_ns - batches[0].start_ns >= MS - 1000


def test_disabling_in_a_frame_lowers_the_outputs_and_frees_the_sequencer() -> None:
    made = model(still(), table((0, "Immediate", 0, 125_000, 125_000)))
    made.advance(EPOCH + MS // 2)
    made.route("SEQ1.ENABLE", "ZERO")
    made.advance(EPOCH + 10 * MS)
    assert len(made.take_edges("TTLOUT1")) == 1
    assert made.sequencer(1).active == 0
    assert made.sequencer(1).outs == 0


def test_rows_closer_than_their_words_end_the_capture_with_bad_health() -> None:
    made = model(still(), table((10, "Immediate", 0, 4, 4)))
    made.advance(EPOCH + MS)
    assert made.pcap.health == 1
    assert made.pcap.active == 0
    assert sum(batch.size for batch in made.take_batches()) == 1


def test_extremes_within_a_gate_see_a_turning_point() -> None:
    x = Broken((0, 0), (10 * MS, 1000), (20 * MS, -500), (40 * MS, 0))
    made = PandaModel({"INENC1": x, "INENC2": still()}, epoch_ns=EPOCH)
    made.set_capture("INENC1.VAL", "Min Max Mean")
    made.load_table(1, table((1, "Immediate", 0, 4_000_000, 10)))
    made.advance(EPOCH + MS)
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    _, rows = fly(made, 50 * MS)
    assert rows["INENC1.VAL.Max"][0] == pytest.approx(0.1)
    assert rows["INENC1.VAL.Min"][0] == pytest.approx(-0.05)


def test_what_is_not_there_is_refused_by_name() -> None:
    made = PandaModel({"INENC1": still()}, epoch_ns=EPOCH)
    with pytest.raises(RefusedPutError, match=r"PULSE9\.OUT"):
        made.route("SEQ1.ENABLE", "PULSE9.OUT")
    with pytest.raises(RefusedPutError, match=r"SEQ9\.ENABLE"):
        made.route("SEQ9.ENABLE", "ONE")
    with pytest.raises(RefusedPutError, match=r"SEQ1\.OUTA"):
        made.route("SEQ1.POSA", "SEQ1.OUTA")
    with pytest.raises(RefusedPutError, match="Median"):
        made.set_capture("INENC1.VAL", "Median")
    with pytest.raises(RefusedPutError, match="line 2: trigger 'POSD'"):
        made.load_table(1, table((1, "Immediate", 0, 1, 1), (1, "POSD", 0, 1, 1)))
    with pytest.raises(RefusedPutError, match="one length"):
        made.load_table(1, table((1, "Immediate", 0, 1, 1)) | {"time2": []})
    with pytest.raises(RefusedPutError, match="4096"):
        made.load_table(1, table(*[(1, "Immediate", 0, 1, 1)] * 4097))
    assert made.routing["SEQ1.ENABLE"] == "ZERO"


@pytest.mark.parametrize("step", [40_000, 2100, 1300, 900, 41])
def test_gates_after_a_row_belong_to_the_next_row_wherever_the_pump_cuts(step: int) -> None:
    made = PandaModel({"INENC1": still(), "INENC2": still()}, epoch_ns=EPOCH)
    rows = table((3, "Immediate", 0, 30, 20), (1, "Immediate", 0, 0, 25))
    rows["outb2"] = [False, True]
    made.configure("SEQ1", repeats=4)
    made.load_table(1, rows)
    made.route("PCAP.TRIG", "SEQ1.OUTB")
    made.configure("PCAP", trig_edge=0)
    made.set_capture("PCAP.GATE_DURATION", "Value")
    made.set_capture("PCAP.TS_END", "Value")
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    _, captured = fly(made, 40_000, step=step)
    assert captured["PCAP.GATE_DURATION.Value"].tolist() == [90] * 4
    begun = np.rint(captured["PCAP.TS_START.Value"] * 1e9 / 8).astype(int)
    ended = np.rint(captured["PCAP.TS_END.Value"] * 1e9 / 8).astype(int)
    assert (ended - begun).tolist() == [130] * 4
    assert np.diff(begun).tolist() == [175] * 3


def test_a_row_without_a_gate_says_so() -> None:
    made = model(still(), table((2, "Immediate", 0, 50, 50)))
    made.route("PCAP.GATE", "ZERO")
    made.disarm()
    made.set_capture("INENC1.VAL", "Min Max Mean")
    made.set_capture("PCAP.GATE_DURATION", "Value")
    made.arm()
    made.route("SEQ1.ENABLE", "ZERO")
    made.route("SEQ1.ENABLE", "ONE")
    made.take_batches()
    _, captured = fly(made, MS)
    assert captured["PCAP.GATE_DURATION.Value"].tolist() == [0, 0]
    assert captured["PCAP.TS_START.Value"].tolist() == [-8e-9, -8e-9]
    assert np.isnan(captured["INENC1.VAL.Mean"]).all()
    assert captured["INENC1.VAL.Max"].tolist() == pytest.approx([-(2**31) * 1e-4] * 2)
