"""Demonstrations in a row with frames lost at random places; each must name exactly what its file lacks.

    python -m tests.system.soak_demo --rounds 20            # random seeds, printed
    python -m tests.system.soak_demo --rounds 1 --seed 17   # the round that failed, again

The truth is the camera's own stamp in the pixels of every frame, read by code that shares nothing with ours.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.system.independent import written_rows

FRAMES_MISSING = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.soak_demo")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, help="of the first round; random unless given")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as directory:
        failed = [seed for seed in range(first, first + options.rounds) if not _round(Path(directory), seed)]
    print(f"{options.rounds - len(failed)} passed, {len(failed)} failed")
    for seed in failed:
        print(f"again: python -m tests.system.soak_demo --rounds 1 --seed {seed}")
    return 1 if failed else 0


def _round(directory: Path, seed: int) -> bool:
    begun = time.monotonic()
    report = directory / "report.json"
    command = [sys.executable, "-m", "wingbeat", "demo", "--once", "--faults", "--seed", str(seed)]
    command += ["--data", str(directory / "data"), "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    problem = f"status {done.returncode}\n{done.stdout}{done.stderr}"
    if done.returncode == FRAMES_MISSING:
        problem = _difference(json.loads(report.read_text()))
    print(f"seed {seed}: {problem or 'named exactly'}, {time.monotonic() - begun:.1f} s", flush=True)
    return not problem


def _difference(report: dict) -> str:
    """What the ledger says otherwise than the frames themselves; empty if nothing."""
    _, _, triggers = written_rows(report)
    missing = sorted(set(range(report["detectors"]["cam"]["planned"])) - set((triggers - 1).tolist()))
    named = report["missing"]["frames"]
    return "" if named == missing else f"the ledger names {named}, the file lacks {missing}"


if __name__ == "__main__":
    sys.exit(main())
