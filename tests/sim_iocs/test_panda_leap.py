"""A leap over equal periods gives what plain events give, to the last tick, whatever the wiring."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.sim_iocs.panda_log import TickLog
from wingbeat.sim_iocs.panda_model import PandaModel
from wingbeat.sim_iocs.panda_rows import CaptureBatch

from .panda_bench import EPOCH, MS, Broken, fly, model, still, table

SOURCES = ["ZERO", "ONE", "SEQ1.OUTA", "SEQ1.OUTB", "SEQ1.ACTIVE", "CLOCK1.OUT", "PULSE1.OUT", "DIV1.OUTD", "LUT1.OUT"]
SOURCES += ["SRGATE1.OUT", "COUNTER1.CARRY", "PCAP.ACTIVE"]
MUXES = ["CLOCK1.ENABLE", "PULSE1.ENABLE", "PULSE1.TRIG", "DIV1.ENABLE", "DIV1.INP", "LUT1.INPA", "LUT1.INPB"]
MUXES += ["SRGATE1.ENABLE", "SRGATE1.SET", "SRGATE1.RST", "COUNTER1.ENABLE", "COUNTER1.TRIG", "COUNTER1.DIR"]
MUXES += ["PCAP.GATE", "PCAP.TRIG", "SEQ1.BITA", "TTLOUT1.VAL"]
small = st.integers(0, 40)


def wired(plan: dict[str, Any]) -> PandaModel:
    made = PandaModel({"INENC1": Broken((0, 0), (300 * MS, 300_000)), "INENC2": still(7)}, epoch_ns=EPOCH)
    for mux, source in plan["routing"].items():
        made.route(mux, source)
    for mux, ticks in plan["delays"].items():
        made.delay(mux, ticks)
    width, step, period = plan["numbers"]
    made.configure("PULSE1", width=width, step_time=step, delay=plan["delay"], pulses=plan["pulses"])
    made.configure("CLOCK1", period=period, width=plan["clock_width"])
    made.configure("DIV1", divisor=plan["divisor"])
    made.configure("LUT1", func=plan["func"])
    made.configure("COUNTER1", step_size=plan["step_size"], max=plan["max"])
    made.configure("PCAP", trig_edge=plan["edge"])
    made.configure("SEQ1", repeats=plan["repeats"])
    for field in ("INENC1.VAL", "COUNTER1.OUT"):
        made.set_capture(field, plan["mode"])
    for field in ("PCAP.TS_END", "PCAP.GATE_DURATION", "PCAP.BITS0", "PCAP.BITS1"):
        made.set_capture(field, "Value")
    columns = table(*plan["lines"])
    columns["outb2"] = [n % 2 == 0 for n in range(len(plan["lines"]))]
    made.load_table(1, columns)
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    return made


def story(made: PandaModel, steps: list[int]) -> tuple[list[int], list[CaptureBatch], dict[str, Any]]:
    """All edges, all rows and the registers at the end."""
    edges: list[int] = []
    now = made.fabric.ns_of(made.fabric.stop)
    for step in steps:
        now += step
        made.advance(now)
        edges += made.take_edges("TTLOUT1")
    names = ("line_repeat", "table_repeat", "state", "outs", "count", "queued", "dropped", "out", "carry", "rows_made")
    registers = {
        (block, name): int(getattr(made.blocks[block], name))
        for block in made.blocks
        for name in names
        if hasattr(made.blocks[block], name) and not block.startswith("CALC")
    }
    return edges, made.take_batches(), registers


def test_a_leap_is_taken_and_nothing_shows_it() -> None:
    rows = table((900, "POSA>=POSITION", 10, 60, 40), (700, "Immediate", 0, 30, 20))
    x = Broken((0, 0), (MS, 100), (2 * MS, 100))
    made, plain = model(x, rows, repeats=3), model(x, rows, repeats=3)
    plain.fabric.leaper = None
    a, b = fly(made, 10 * MS), fly(plain, 10 * MS)
    assert made.leaper.leapt > 4000
    assert a[0] == b[0]
    assert len(a[0]) == 4800
    assert all(np.array_equal(a[1][name], b[1][name]) for name in b[1])


LINE = st.tuples(st.integers(1, 60), st.sampled_from(["Immediate", "BITA=0", "POSA>=POSITION"]), small, small, small)


@settings(max_examples=120)
@given(
    plan=st.fixed_dictionaries(
        {
            "routing": st.dictionaries(st.sampled_from(MUXES), st.sampled_from(SOURCES), max_size=12),
            "delays": st.dictionaries(st.sampled_from(MUXES), st.integers(1, 31), max_size=2),
            "numbers": st.tuples(small, small, st.integers(2, 90)),
            "delay": small,
            "clock_width": st.integers(0, 9),
            "pulses": st.integers(0, 3),
            "divisor": st.integers(1, 5),
            "func": st.integers(0, (1 << 32) - 1),
            "step_size": st.integers(0, 9),
            "max": st.sampled_from([0, 0, 5, 400]),
            "edge": st.integers(0, 2),
            "repeats": st.integers(1, 40),
            "mode": st.sampled_from(["Value", "Diff", "Mean", "Sum", "Min Max"]),
            "lines": st.lists(LINE, min_size=1, max_size=3),
        }
    ),
    steps=st.lists(st.integers(1, 60_000), min_size=2, max_size=6),
)
def test_any_wiring_tells_the_same_story_with_and_without_leaps(plan: dict[str, Any], steps: list[int]) -> None:
    made, plain = wired(plan), wired(plan)
    plain.fabric.leaper = None
    edges, batches, registers = story(made, steps)
    plain_edges, plain_batches, plain_registers = story(plain, steps)
    assert edges == plain_edges
    assert registers == plain_registers
    assert [batch.end for batch in batches] == [batch.end for batch in plain_batches]
    for batch, other in zip(batches, plain_batches, strict=True):
        assert batch.columns.keys() == other.columns.keys()
        for name, values in other.columns.items():
            assert np.array_equal(batch.columns[name], values, equal_nan=True), name


@pytest.mark.parametrize("trap", [1, 7, 300, 1000])
def test_a_leap_does_not_pass_a_trap(trap: int) -> None:
    made = model(still(), table((2000, "Immediate", 0, 60, 40)))
    seen: list[int] = []
    made.set_traps({trap: [lambda _: seen.append(made.pcap.rows_made)]})
    made.advance(EPOCH + 2 * MS)
    assert seen == [trap]
    assert made.leaper.leapt


def test_a_counter_that_somebody_watches_is_not_leapt_over() -> None:
    made = model(still(), table((2000, "Immediate", 0, 60, 40)))
    made.route("SEQ2.POSA", "COUNTER1.OUT")
    made.load_table(2, table((1, "POSA>=POSITION", 777, 10, 10)))
    made.route("TTLOUT2.VAL", "SEQ2.OUTA")
    made.route("SEQ2.ENABLE", "ONE")
    made.advance(EPOCH + 2 * MS)
    assert len(made.take_edges("TTLOUT2")) == 1
    assert made.leaper.leapt == 0


def test_a_log_drops_repeats_and_replaces() -> None:
    log = TickLog()
    for number in (1, 2, 3):
        log.append(number)
    log.set_last(4)
    log.repeat(1, 2, 100)
    assert log.array().tolist() == [1, 2, 4, 102, 104, 202, 204]
    log.set_last(0)
    log.drop(5)
    log.append(9)
    assert (log.array().tolist(), log.last(), len(log)) == ([202, 0, 9], 9, 3)
    log.drop(3)
    assert len(log) == 0
