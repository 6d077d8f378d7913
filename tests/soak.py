"""Campaigns that are too long for the test suite, one after the other; each is also a command of its own.

    python -m tests.soak                           # all of them, with random seeds, printed
    python -m tests.soak --list                    # what there is
    python -m tests.soak --only flight --seed 17   # the one that failed, again

A campaign is a module tests/<package>/soak_<name>.py: a command that takes --seed and ends with 0 if all is well.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent


def campaigns() -> dict[str, str]:
    """Modules by the names of their campaigns."""
    paths = sorted(HERE.glob("*/soak_*.py"))
    return {path.stem.removeprefix("soak_"): f"tests.{path.parent.name}.{path.stem}" for path in paths}


def main() -> int:
    known = campaigns()
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--list", action="store_true", help="print the campaigns and end")
    parser.add_argument("--only", action="append", choices=sorted(known), help="this campaign; may be repeated")
    parser.add_argument("--rounds", type=int, help="of the demo")
    parser.add_argument("--seed", type=int, help="of all campaigns; random unless given")
    options = parser.parse_args()
    if options.list:
        print("\n".join(known))
        return 0
    seed = random.randrange(10**6) if options.seed is None else options.seed
    chosen = [name for name in known if not options.only or name in options.only]
    failed = [name for name in chosen if not _passes(known[name], _arguments(name, seed, options.rounds))]
    for name in failed:
        print(f"again: python -m tests.soak --only {name} --seed {seed}")
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _arguments(name: str, seed: int, rounds: int | None) -> list[str]:
    return ["--seed", str(seed)] + (["--rounds", str(rounds)] if rounds is not None and name == "demo" else [])


def _passes(module: str, arguments: Iterable[str]) -> bool:
    print(f"== {module} {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
