"""`python -m benchmarks NAME [--json] [--table] [--rounds N]`; also `all`, `prepare`, and no name to list the rows."""

import argparse
import json
import sys
from dataclasses import asdict

from . import bench, report
from .compare import MIN_ROUNDS, Comparison, UnequalResultsError, compare
from .processes import SideFailedError

NOT_MET = 1
VOID = 2


def main(arguments: list[str]) -> int:
    """Run what the command line names.

    Returns:
        0 when every goal is met, 1 when one is not, 2 when a row could not be measured.
    """
    options = _parser().parse_args(arguments)
    if options.side:
        return _side(options)
    try:
        match options.name:
            case None:
                return _list()
            case "prepare":
                return _prepare()
            case "all":
                return _all(options)
            case name:
                return 0 if _measure(bench.load(name), options) else NOT_MET
    except (LookupError, SideFailedError, UnequalResultsError) as error:
        print(error, file=sys.stderr)
        return VOID


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Wingbeat beside its peers.")
    parser.add_argument("name", nargs="?", help="a row, 'all' or 'prepare'; left out: list the rows")
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    parser.add_argument("--table", action="store_true", help="Markdown for the README")
    parser.add_argument("--rounds", type=_rounds, default=MIN_ROUNDS, help=f"at least {MIN_ROUNDS}")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    return parser


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < MIN_ROUNDS:
        msg = f"{rounds} rounds: a median needs at least {MIN_ROUNDS}"
        raise argparse.ArgumentTypeError(msg)
    return rounds


def _list() -> int:
    for name in bench.names():
        row = bench.load(name)
        print(f"{name:20} {row.work} (beside {row.peer})")
    return 0


def _prepare() -> int:
    for name in bench.names():
        bench.load(name).prepare()
    return 0


def _all(options: argparse.Namespace) -> int:
    if options.table:
        print(report.TABLE_HEAD, flush=True)
    status = 0
    for name in bench.names():
        try:
            met = _measure(bench.load(name), options)
            status = max(status, 0 if met else NOT_MET)
        except (SideFailedError, UnequalResultsError) as error:
            print(error, file=sys.stderr)
            status = VOID
    return status


def _measure(row: bench.Row, options: argparse.Namespace) -> bool:
    row.prepare()
    measured: list[Comparison] = compare(row, rounds=options.rounds)
    write = report.as_json if options.json else report.as_table_lines if options.table else report.as_text
    print(write(row, measured), flush=True)
    return all(one.met for one in measured)


def _side(options: argparse.Namespace) -> int:
    results = bench.load(options.name).run_side(options.side)
    print(json.dumps({case: asdict(result) for case, result in results.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
