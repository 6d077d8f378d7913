"""The ledger on the screen and in a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..engine import Run
from ..stream_resource import FrameRange, RangeSet
from ..stream_resource.uris import path_of_uri
from .check import Findings
from .faults import Faults

COUNTS = ("planned", "triggered", "exposed", "written", "indexed", "readable", "missing")
NAMED = 20
"""So many missing frames are written out on the screen; the file has all of them."""


def missing_frames(ledger: Mapping[str, Any]) -> RangeSet:
    """Frames that any detector lacks, counted from 0."""
    pairs = [pair for entry in ledger["detectors"].values() for pair in entry["missing_frames"]]
    return RangeSet(FrameRange(start, stop) for start, stop in pairs)


def missing_line(missing: RangeSet) -> str:
    """The last line.

    >>> missing_line(RangeSet())
    'missing: 0'
    >>> missing_line(RangeSet([FrameRange(101, 103), FrameRange(3777, 3778)]))
    'missing: 3 (frames 101, 102, 3777)'
    """
    if not missing.size:
        return "missing: 0"
    frames = list(missing.indices())
    named = ", ".join(map(str, frames[:NAMED])) + (", …" if len(frames) > NAMED else "")
    return f"missing: {missing.size} (frame{'s' if missing.size > 1 else ''} {named})"


def show_ledger(console: Console, ledger: Mapping[str, Any]) -> None:
    """Print the counts of every detector, and the reason of every frame that is not good."""
    # Neither a frame nor wide gaps: all columns fit into the 80 characters of a plain console.
    table = Table("detector", *COUNTS, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = f"ledger of run {ledger['run'][:8]}", "left"
    for column in table.columns[1:]:
        column.justify = "right"
    for name, entry in ledger["detectors"].items():
        table.add_row(name, *("–" if entry[count] is None else str(entry[count]) for count in COUNTS))
    console.print(table)
    for name, entry in ledger["detectors"].items():
        verdicts: Mapping[str, Any] = entry["verdicts"] or {}
        for finding in verdicts.get("findings", ()):
            if finding["verdict"] != "good":
                console.print(f"{name}: {_described(finding)}", highlight=False, soft_wrap=True)


def _described(finding: Mapping[str, Any]) -> str:
    start, stop = finding["start"], finding["stop"]
    where = f"frame {start}" if stop == start + 1 else f"frames {start} to {stop - 1}"
    return f"{where} {finding['verdict']}: {finding['reason']}"


def show_findings(console: Console, findings: Findings) -> None:
    """Print how the comparison with the files and the plan went."""
    live = "all equal" if not findings.live_differ else f"DIFFER from the file: {findings.live_differ}"
    read = "all equal bit by bit" if not findings.differ else f"DIFFER from the file: {findings.differ[:NAMED]}"
    worst = ", ".join(f"{axis} {deviation * 1000:.4f} µm" for axis, deviation in findings.worst.items())
    places = "all where planned" if not findings.astray else f"NOT where planned: frames {findings.astray[:NAMED]}"
    console.print(
        f"read over HTTP during the scan: {findings.live_read} frames, {live}", highlight=False, soft_wrap=True
    )
    console.print(f"read over HTTP after the scan:  {findings.read} frames, {read}", highlight=False, soft_wrap=True)
    console.print(f"recorded against planned:       worst {worst}; {places}", highlight=False, soft_wrap=True)


def report_document(
    run: Run, ledger: Mapping[str, Any], findings: Findings, *, data: Path, url: str, faults: Faults
) -> dict[str, Any]:
    """Put together what another program needs to check the run."""
    missing = missing_frames(ledger)
    files = {
        f"{key}": [str(path_of_uri(resource["uri"])) for resource in array.resources.values()]
        for stream in run.index.streams.values()
        for key, array in stream.arrays.items()
    }
    return {
        "run": run.uid,
        "exit_status": run.exit_status,
        "missing": {"count": missing.size, "frames": list(missing.indices())},
        "detectors": ledger["detectors"],
        "agreed": ledger["agreed"],
        "consistent": ledger["consistent"],
        "injected": {"lost": list(faults.lost), "dropped": list(faults.dropped)},
        "checks": {
            "live_read": findings.live_read,
            "live_differ": list(findings.live_differ),
            "read": findings.read,
            "differ": list(findings.differ),
            "worst_deviation": dict(findings.worst),
            "astray": list(findings.astray),
        },
        "journal": [str(path) for path in sorted((data / "journal").glob("*.wbj"))],
        "files": files,
        "url": url,
    }


def write_report(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document as indented JSON."""
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
