"""A long run of the PandA model: random wirings with and without leaps, and ten million triggers in virtual time.

python -m tests.sim_iocs.soak_panda --rounds 2000            # random seeds, printed
python -m tests.sim_iocs.soak_panda --rounds 1 --seed 17     # the round that failed, again
"""

import argparse
import random
import sys
from typing import Any

import numpy as np
from wingbeat.sim_iocs.axis import Axis, trapezoid
from wingbeat.sim_iocs.panda_model import PandaModel

from .panda_bench import EPOCH, MS, table
from .test_panda_leap import MUXES, SOURCES, story, wired

TRIGGERS = 10_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim_iocs.soak_panda")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, help="of the first round; random unless given")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    failed = [seed for seed in range(first, first + options.rounds) if not alike(seed)]
    for seed in failed:
        print(f"again: python -m tests.sim_iocs.soak_panda --rounds 1 --seed {seed}")
    counted = conserved()
    print(f"{options.rounds - len(failed)} wirings alike, {len(failed)} not")
    print(f"{TRIGGERS} triggers: {counted or 'all in rows'}")
    return 1 if failed or counted else 0


def alike(seed: int) -> bool:
    """Whether a random wiring tells the same story with and without leaps."""
    draw = random.Random(seed)
    plan, steps = _plan(draw), [draw.randint(1, 60_000) for _ in range(draw.randint(1, 8))]
    made, plain = wired(plan), wired(plan)
    plain.fabric.leaper = None
    (edges, batches, registers), (plain_edges, others, plain_registers) = story(made, steps), story(plain, steps)
    if edges != plain_edges or registers != plain_registers or len(batches) != len(others):
        return False
    return all(
        np.array_equal(batch.columns[name], other.columns[name], equal_nan=True)
        for batch, other in zip(batches, others, strict=True)
        for name in other.columns
    )


def conserved() -> str:
    """Empty if ten million triggers are ten million rows in order, each at its time."""
    axis = Axis("X")
    axis.append(trapezoid(EPOCH, 0.0, target=100.0, speed=10.0, acceleration=10.0))
    made = PandaModel({"INENC1": axis, "INENC2": Axis("Y")}, epoch_ns=EPOCH)
    made.load_table(1, table((0, "Immediate", 0, 60, 40)))
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    rows, edges, now = 0, 0, EPOCH
    while rows < TRIGGERS:
        now += 500 * MS
        made.advance(now)
        edges += len(made.take_edges("TTLOUT1"))
        for batch in made.take_batches():
            numbers = batch.columns["COUNTER1.OUT.Value"]
            if not np.array_equal(numbers, np.arange(rows + 1, rows + 1 + len(numbers))):
                return f"numbers jump after row {rows}"
            rows += batch.size
    return "" if 0 <= edges - rows <= 1 else f"{edges} edges, {rows} rows"


def _plan(draw: random.Random) -> dict[str, Any]:
    triggers = ("Immediate", "BITA=0", "POSA>=POSITION")
    numbers = [draw.randint(0, 40) for _ in range(6)]
    lines = [
        (draw.randint(1, 200), draw.choice(triggers), draw.randint(0, 40), draw.randint(0, 40), draw.randint(0, 40))
        for _ in range(draw.randint(1, 4))
    ]
    return {
        "routing": {draw.choice(MUXES): draw.choice(SOURCES) for _ in range(draw.randint(0, 14))},
        "delays": {draw.choice(MUXES): draw.randint(1, 31) for _ in range(draw.randint(0, 3))},
        "numbers": (numbers[0], numbers[1], draw.randint(2, 90)),
        "delay": numbers[2],
        "clock_width": draw.randint(0, 9),
        "pulses": draw.randint(0, 3),
        "divisor": draw.randint(1, 5),
        "func": draw.getrandbits(32),
        "step_size": draw.randint(0, 9),
        "max": draw.choice((0, 0, 5, 400)),
        "edge": draw.randint(0, 2),
        "repeats": draw.randint(1, 60),
        "mode": draw.choice(("Value", "Diff", "Mean", "Sum", "Min Max")),
        "lines": lines,
    }


if __name__ == "__main__":
    sys.exit(main())
