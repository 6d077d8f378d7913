"""Ten million triggers in virtual time from a trigger box through its cable into a camera, and none unaccounted for.

    python -m tests.sim_iocs.soak_flight                 # a random seed, printed
    python -m tests.sim_iocs.soak_flight --seed 17       # the run that failed, again

A random table triggers at random rates, some too fast for the camera, while an axis goes to and fro; a fault keeps some
triggers from the camera. Triggers that the table asks for = rows of the capture = triggers that the camera saw, and
each of them is a frame, missed or lost: which one, is computed again by a loop of three lines from the rows' times.
"""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from wingbeat.sim_iocs.beamline import Beamline
from wingbeat.sim_iocs.clock import VirtualClock
from wingbeat.sim_iocs.exposure import TOLERANCE_NS
from wingbeat.sim_iocs.settings import BeamlineSettings
from wingbeat.sim_iocs.shots import Shots

from .panda_bench import table

TRIGGERS = 10_000_000
EXPOSURE, READOUT = 80e-6, 20e-6
BUSY_NS = 100_000
STEP = 0.5
SETTINGS = {
    "motors": {"X": {"max_velocity": 0.0}, "Y": {}},
    "cameras": {"CAM": {"stamps": "Camera clock", "readout_time": READOUT, "writer": "thread"}},
    "pmac": {},
    "mcas": {},
    "scalers": {},
    "shutters": {},
    "valves": {},
    "rings": {},
    "temperatures": {},
}


@dataclass(slots=True)
class Tally:
    """What came out at either end."""

    input_port: str
    frames: list[np.ndarray] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)
    opened: list[np.ndarray] = field(default_factory=list)

    def accept(self, _: object, shots: Shots) -> None:
        """Take frames, as a plugin does."""
        self.frames.append(shots.trigger)


def campaign(seed: int, *, triggers: int = TRIGGERS) -> bool:
    """Fly once; tell whether all is accounted for."""
    begun = time.monotonic()
    problem = asyncio.run(_flown(random.Random(seed), triggers=triggers))
    verdict = problem or "every one a row, and a frame, missed or lost as it must be"
    print(f"flight, seed {seed}: {triggers} triggers: {verdict}; {time.monotonic() - begun:.0f} s", flush=True)
    return not problem


async def _flown(draw: random.Random, *, triggers: int) -> str:
    clock = VirtualClock()
    line = Beamline(BeamlineSettings.model_validate(SETTINGS), clock)
    camera, model, tally = line.cameras["CAM"], line.pandas["PANDA"].model, Tally(line.cameras["CAM"].driver.port)
    camera.ports.connect(tally)
    lost = frozenset(draw.sample(range(1, triggers + 1), 1000))
    camera.faults.lose_triggers = lost
    for name, value in {"TriggerMode": 1, "ImageMode": 2, "AcquireTime": EXPOSURE}.items():
        await camera.pvs[name].put(value)
    model.load_table(1, _plan(draw, triggers))
    acquiring = asyncio.create_task(camera.pvs["Acquire"].put(1))
    await clock.run(0.01)
    line.world.settle()
    model.arm()
    model.route("SEQ1.ENABLE", "ONE")
    done = 0
    while not done or model.sequencer(1).active:
        await clock.run(STEP)
        now_ns = line.world.settle()
        if now_ns >= line.world.axes["X"].stop_ns:
            line.motors["X"].move(draw.uniform(-20.0, 40.0))
        line.motors["X"].update(now_ns)
        camera.update(now_ns)
        for batch in model.take_batches():
            tally.numbers.append(batch.columns["COUNTER1.OUT.Value"])
            tally.opened.append(batch.columns["PCAP.TS_START.Value"])
            done += batch.size
    await camera.pvs["Acquire"].put(0)
    await acquiring
    counts = [int(camera.pvs[name].value) for name in ("NumExposed_RBV", "MissedTriggers_RBV", "LostTriggers_RBV")]
    return _difference(tally, counts, lost=lost, triggers=triggers)


def _plan(draw: random.Random, triggers: int) -> dict[str, object]:
    """Draw lines of one rate each, from half to three times what the camera takes."""
    lines: list[tuple[int, str, int, int, int]] = []
    while triggers:
        repeats = min(triggers, draw.randint(1, 65_535))
        high, low = draw.randint(1, 5_000), draw.randint(3_000, 20_000)
        lines.append((repeats, "Immediate", 0, high, low))
        triggers -= repeats
    return table(*lines)


def _difference(tally: Tally, counts: list[int], *, lost: frozenset[int], triggers: int) -> str:
    numbers = np.concatenate(tally.numbers).astype(np.int64)
    if not np.array_equal(numbers, np.arange(1, triggers + 1)):
        return f"{len(numbers)} rows, and not one per trigger in order"
    if sum(counts) != triggers:
        return f"frames, missed and lost are {counts}: not {triggers}"
    taken, ready = [], 0
    opened = np.rint(np.concatenate(tally.opened) * 1e9).astype(np.int64)
    for number, t_ns in enumerate(opened.tolist(), 1):
        if t_ns >= ready - TOLERANCE_NS and number not in lost:
            taken.append(number)
            ready = t_ns + BUSY_NS
    frames = np.concatenate(tally.frames)
    if not np.array_equal(frames, taken):
        return f"{len(frames)} frames, and not those of the {len(taken)} triggers that found the camera ready"
    return "" if counts[0] == len(taken) else f"{counts[0]} exposures are counted, {len(taken)} were made"


def main() -> int:
    """Fly once; 0 if all is accounted for."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim_iocs.soak_flight")
    parser.add_argument("--seed", type=int, default=None, help="random unless given")
    options = parser.parse_args()
    return 0 if campaign(random.randrange(10**6) if options.seed is None else options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
