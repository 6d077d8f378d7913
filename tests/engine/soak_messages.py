"""A million messages in one plan: memory must stay flat.

    python -m tests.engine.soak_messages --seed 1 --messages 1000000

Resident memory is read ten times; from the second reading on it may not grow by more than ALLOWED. What does grow are
the columns that the handle of the run keeps of its events, a kilobyte for each: `--every 0` takes none.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import Msg, RunEngine
from wingbeat.engine.preprocessors import SupplementalData

ALLOWED = 16 * 2**20
"""Bytes."""


def messages(total: int, seed: int, *, every: int, memory: list[int]) -> Generator[Msg, Any, None]:
    """Go on for `total` messages: moves, waits and nulls, a point after `every` on average, checkpoints seldom."""
    chance = random.Random(seed)
    x, det = SoftMotor("x"), SoftDetector("det")
    yield Msg("open_run")
    for number in range(total):
        if number % (total // 10) == total // 10 - 1:
            memory.append(resident())
        draw = chance.random()
        if every and draw < 1 / every:
            yield Msg("trigger_and_read", None, ([det, x],), {"name": "primary"})
        elif draw < 0.02:
            yield Msg("checkpoint")
        elif draw < 0.2:
            yield Msg("set", x, (number,), {"group": "x"})
        elif draw < 0.4:
            yield Msg("wait", None, (), {"group": "x"})
        else:
            yield Msg("null")
    yield Msg("close_run")


def resident() -> int:
    """Give the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def soaked(total: int, seed: int, *, every: int = 200) -> list[int]:
    """Perform the messages, with a subscriber and a preprocessor as in a beamline; give the readings of memory."""
    memory: list[int] = []
    heard = 0

    def listen(_name: str, _doc: dict[str, Any]) -> None:
        nonlocal heard
        heard += 1

    with tempfile.TemporaryDirectory() as directory:
        async with RunEngine(directory) as engine:
            engine.subscribe(listen)
            engine.preprocessors.append(SupplementalData(baseline=[SoftMotor("y")]))
            await engine(messages(total, seed, every=every, memory=memory))
    print(f"{heard} documents were heard")
    return memory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engine.soak_messages")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=200, help="messages from one point to the next; 0 takes none")
    options = parser.parse_args()
    begun = time.monotonic()
    memory = asyncio.run(soaked(options.messages, options.seed, every=options.every))
    grown = max(memory[1:]) - memory[1]
    took = time.monotonic() - begun
    print(f"{options.messages} messages in {took:.0f} s; MiB: {', '.join(f'{one / 2**20:.1f}' for one in memory)}")
    print(f"grown by {grown / 2**20:.1f} MiB, allowed are {ALLOWED / 2**20:.0f}")
    return 1 if grown > ALLOWED else 0


if __name__ == "__main__":
    sys.exit(main())
