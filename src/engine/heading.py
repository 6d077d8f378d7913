"""What is written at the beginning and at the end of a run: who it is, how it ended, and which frames it has."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .documents import Document

APART = frozenset(
    {
        *("uid", "time", "scan_id", "plan_name", "plan_type", "versions", "hints", "spec", "shape", "num_intervals"),
        *("plan_args", "plan_pattern", "plan_pattern_args", "plan_pattern_module"),
    }
)
"""Keys of a start document that are said elsewhere, or are too long to say."""

LEDGER = ("planned", "written", "missing")
FINDINGS = 5
"""So many reasons for missing frames are written per detector; the stop document has all."""


def heading(start: Document, *, width: int) -> list[str]:
    """Say which run begins: scan id, uid, plan, time, and its metadata.

    Example:
        >>> heading({"uid": "u-1", "time": 0.0, "scan_id": 7, "plan_name": "count", "sample": "Au"}, width=60)[::2]
        ['scan 7  count  run u-1', '  sample: Au']
    """
    title = [f"scan {start['scan_id']}"] if "scan_id" in start else []
    title += [str(start["plan_name"])] if "plan_name" in start else []
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start["time"]))
    metadata = {
        key: _said(value) for key, value in start.items() if key not in APART and value not in (None, [], {}, "")
    }
    return ["  ".join([*title, f"run {start['uid']}"]), f"  begun {begun}", *_wrapped(metadata, width)]


def _said(value: Any) -> str:
    return ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)


def _wrapped(metadata: Mapping[str, str], width: int) -> Iterator[str]:
    line = ""
    for key, value in metadata.items():
        item = _cut(f"{key}: {value}", width - 2)
        if line and len(line) + 3 + len(item) > width - 2:
            yield f"  {line}"
            line = ""
        line = f"{line}   {item}" if line else item
    if line:
        yield f"  {line}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def ending(stop: Document, start: Document, *, width: int) -> list[str]:
    """Say how a run ended, how many events it has, and what became of the frames of each detector."""
    events = ", ".join(f"{stream} {count}" for stream, count in stop.get("num_events", {}).items()) or "none"
    took = _duration(stop["time"] - start["time"])
    lines = [f"run {start['uid']}  {stop['exit_status']}  events: {events}  {took}"]
    if stop.get("reason"):
        lines.append(_cut(f"  {stop['reason']}", width))
    return lines + _ledger(stop.get("frames"), width)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _ledger(frames: Any, width: int) -> list[str]:
    entries = cast("dict[str, Any]", frames) if isinstance(frames, dict) else {}
    found = {name: cast("dict[str, Any]", entry) for name, entry in entries.items() if isinstance(entry, dict)}
    rows = {name: entry for name, entry in found.items() if "planned" in entry}
    if not rows:
        return []
    first = max(len("detector"), *map(len, rows))
    lines = ["  ".join([f"  {'detector':{first}}", *(f"{count:>9}" for count in LEDGER)])]
    for name, entry in rows.items():
        counts = ("–" if entry.get(count) is None else str(entry[count]) for count in LEDGER)
        lines.append("  ".join([f"  {name:{first}}", *(f"{count:>9}" for count in counts)]))
    for name, entry in rows.items():
        lines += [_cut(f"  {name}: {text}", width) for text in _reasons(entry)]
    return lines


def _reasons(entry: Mapping[str, Any]) -> list[str]:
    verdicts: dict[str, Any] = entry.get("verdicts") or {}
    findings: list[dict[str, Any]] = verdicts.get("findings", [])
    bad = [one for one in findings if one.get("verdict") != "good"]
    said = [f"{_frames(one)} {one['verdict']}: {one.get('reason', '')}" for one in bad[:FINDINGS]]
    return [*said, f"and {len(bad) - FINDINGS} more findings"] if len(bad) > FINDINGS else said


def _frames(finding: Mapping[str, Any]) -> str:
    start, stop = finding["start"], finding["stop"]
    return f"frame {start}" if stop == start + 1 else f"frames {start} to {stop - 1}"
