"""Ten million triggers in virtual time, each at the nanosecond of its crossing.

    python -m tests.sim_iocs.soak_triggers --seed 17

Every trigger is checked against the encoder as it is found; the whole must be the same twice.
"""

import argparse
import random

from wingbeat.sim_iocs import fly_triggers

TRIGGERS = 10_000_000


def campaign(seed: int, *, triggers: int = TRIGGERS) -> bool:
    """Run the campaign twice; tell whether both found the same."""
    first, again = fly_triggers(triggers, seed=seed), fly_triggers(triggers, seed=seed)
    agreed = first.fingerprint == again.fingerprint and first.triggers == triggers
    what = f"{first.triggers} triggers on {first.lines} lines, {first.virtual_seconds:.0f} s of beamline time"
    verdict = "the same" if agreed else "NOT the same"
    print(f"seed {seed}: {what} in {first.seconds:.1f} s ({first.rate:.3g}/s); {verdict} again")
    return agreed


def main() -> int:
    """Run one campaign; 0 if it agreed with itself."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim_iocs.soak_triggers")
    parser.add_argument("--seed", type=int, default=None, help="random unless given")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    return 0 if campaign(seed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
