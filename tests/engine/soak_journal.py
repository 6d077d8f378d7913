"""A scan killed with kill -9 at random moments, and recovered: no committed document may be lost.

python -m tests.engine.soak_journal --rounds 50
python -m tests.engine.soak_journal --rounds 1 --seed 17   # the round that failed, again
"""

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

from tests.engine.test_journal import killed_and_recovered


def main() -> int:
    """Kill and recover; the exit status is 1 if a round has lost something."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine.soak_journal")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, help="of the first round; random unless given")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    failed = [seed for seed in range(first, first + options.rounds) if not _round(seed)]
    print(f"{options.rounds - len(failed)} passed, {len(failed)} failed: seeds {failed}")
    return 1 if failed else 0


def _round(seed: int) -> bool:
    told = random.Random(seed).randrange(1, 80)
    with tempfile.TemporaryDirectory() as directory:
        try:
            asyncio.run(killed_and_recovered(Path(directory), told))
        except AssertionError as error:
            print(f"seed {seed}, killed after {told} reports: {error}")
            return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
