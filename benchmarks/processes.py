"""Each side in a fresh process: no import, cache or heap of one side is seen by the other."""

import json
import subprocess
import sys

from .bench import SideResult, Which

SIDE_SECONDS = 60.0
"""A side that takes longer than this has hung."""


class SideFailedError(ChildProcessError):
    """A side ended without a result; the message holds what it wrote to stderr."""


def run_fresh(name: str, which: Which) -> dict[str, SideResult]:
    """Run one side of row `name` in a process of its own; give its result of every case.

    Raises:
        SideFailedError: It failed, or did not end within SIDE_SECONDS.
    """
    command = [sys.executable, "-m", "benchmarks", name, "--side", which]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SIDE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        msg = f"{name}, side {which!r}, did not end within {SIDE_SECONDS:.0f} s"
        raise SideFailedError(msg) from error
    if done.returncode != 0:
        msg = f"{name}, side {which!r}, failed with status {done.returncode}:\n{done.stderr.strip()}"
        raise SideFailedError(msg)
    reply = json.loads(done.stdout.strip().splitlines()[-1])
    return {case: SideResult(**result) for case, result in reply.items()}
