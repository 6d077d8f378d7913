"""kill -9 in the middle of a scan, at random moments, and what is found in the directory afterwards.

    python -m tests.engine.soak_kill --rounds 50            # random seeds, printed
    python -m tests.engine.soak_kill --rounds 1 --seed 17   # the round that failed, again

Each round kills an engine that has two runs open at once and says after every write how far its journal is committed.
The next engine on the directory must find every document that was said to be committed, and close both runs as lost.
"""

import argparse
import asyncio
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
from wingbeat.engine import RunEngine
from wingbeat.engine.journal_recovery import segments
from wingbeat.stream_resource.journal import decode_records

LONGEST = 0.4
"""Seconds after the first committed document in which the kill comes."""

ENGINE = """
import asyncio, sys
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan, using
from wingbeat.engine.preprocessors import Baseline, SetRunKey
from wingbeat.engine.stubs import mv, run, trigger_and_read

@plan
async def scan(key):
    det, x = SoftDetector("det"), SoftMotor("x")
    async with using(SetRunKey(key), Baseline([x])), run({"key": key}) as opened:
        async for step in opened.steps(range(10**9)):
            async with step as point:
                await mv(x, point)
                await trigger_and_read([det, x])
                if not point % 3:
                    await trigger_and_read([x], "third")

@plan
async def both():
    async with asyncio.TaskGroup() as group:
        group.create_task(scan("a").body())
        group.create_task(scan("b").body())

async def main():
    engine = RunEngine(sys.argv[1])
    engine.start(both())
    while True:
        await asyncio.sleep(0.001)
        await engine.journal.committed(engine.journal.next_sequence - 1)
        print(engine.journal.committed_sequence, flush=True)

asyncio.run(main())
"""


def killed(directory: Path, seed: int) -> int:
    """Let an engine scan in a process of its own, kill it, and give the last number that it said was committed."""
    command = [sys.executable, "-c", ENGINE, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline()]
        assert said[0], "the engine did not begin"
        killer = threading.Timer(random.Random(seed).uniform(0, LONGEST), child.send_signal, [signal.SIGKILL])
        killer.start()
        said += child.stdout.readlines()
        killer.join()
    whole = [int(line) for line in said if line.endswith("\n")]
    return max(whole)


def problems(directory: Path, committed: int, rounds: int) -> list[str]:
    """Recover the directory and say what is not as it should be; empty if nothing."""
    asyncio.run(_reopened(directory))
    records = [
        record for path in segments(directory / "journal") for record in decode_records(path.read_bytes()).records
    ]
    found: list[str] = []
    if [record.sequence for record in records] != list(range(len(records))):
        found.append("the journal's numbers have a hole")
    if len(records) <= committed:
        found.append(f"{committed} was committed, {len(records)} documents are there")
    runs = _by_run([(record.name, orjson.loads(record.payload)) for record in records])
    if len(runs) != 2 * rounds:
        found.append(f"{rounds} rounds of two runs, seen {len(runs)} runs")
    return found + [problem for uid, docs in runs.items() for problem in _problems_of(uid, docs)]


async def _reopened(directory: Path) -> None:
    async with RunEngine(directory):
        pass


def _by_run(docs: list[tuple[str, Any]]) -> dict[str, list[tuple[str, Any]]]:
    runs: dict[str, list[tuple[str, Any]]] = {}
    run_of: dict[str, str] = {}
    for name, doc in docs:
        uid = doc["uid"] if name == "start" else doc.get("run_start") or run_of[doc["descriptor"]]
        if name == "descriptor":
            run_of[doc["uid"]] = uid
        runs.setdefault(uid, []).append((name, doc))
    return runs


def _problems_of(uid: str, docs: list[tuple[str, Any]]) -> list[str]:
    streams: dict[str, list[int]] = defaultdict(list)
    name_of = {doc["uid"]: doc["name"] for name, doc in docs if name == "descriptor"}
    for name, doc in docs:
        if name == "event":
            streams[name_of[doc["descriptor"]]].append(doc["seq_num"])
    found = [
        f"{uid}: {stream} has {numbers}"
        for stream, numbers in streams.items()
        if numbers != list(range(1, len(numbers) + 1))
    ]
    kinds, stop = [name for name, _ in docs], docs[-1][1]
    events = {name: len(numbers) for name, numbers in streams.items()}
    if kinds.count("start") != 1 or kinds.count("stop") != 1 or kinds[-1] != "stop":
        found.append(f"{uid}: begins and ends with {kinds[0]}, {kinds[-1]}")
    elif stop["exit_status"] != "fail" or stop["num_events"] != events:
        found.append(f"{uid}: closed as {stop}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engine.soak_kill")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, help="of the first round; random unless given")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    failed: list[int] = []
    with tempfile.TemporaryDirectory() as directory:
        for number in itertools.islice(itertools.count(), options.rounds):
            begun = time.monotonic()
            committed = killed(Path(directory), first + number)
            found = problems(Path(directory), committed, number + 1)
            failed += [first + number] if found else []
            said = f"{committed + 1} documents were committed"
            print(f"seed {first + number}: {found or said}, {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{options.rounds - len(failed)} passed, {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
