"""What is printed of a measured row: text for people, one JSON line for programs, a Markdown line for the README."""

import json
import platform
from importlib import metadata

import numpy as np

from .bench import Row
from .compare import Comparison

TABLE_HEAD = "| benchmark | ours | peer | ratio (95 % interval) | goal | met |\n|---|---|---|---|---|---|"


def as_text(row: Row, measured: list[Comparison]) -> str:
    """Several lines: what was done, each case with medians and spread, and the versions."""
    lines = [f"{row.name}: {row.work}", f"  beside {row.peer}; {_version_line(row)}"]
    lines += [f"  {_case_line(row, one)}" for one in measured]
    return "\n".join(lines)


def as_json(row: Row, measured: list[Comparison]) -> str:
    """One line; the case furthest from its goal stands for the row, `cases` holds each."""
    worst = min(measured, key=lambda one: one.margin)
    record = {
        "name": row.name,
        **_case_record(row, worst),
        "met": all(one.met for one in measured),
        "versions": versions(row),
    }
    if len(measured) > 1:
        record["cases"] = {one.case: _case_record(row, one) for one in measured}
    return json.dumps(record, ensure_ascii=False)


def as_table_lines(row: Row, measured: list[Comparison]) -> str:
    """Lines of the README's table, one per case, without the head."""
    return "\n".join(
        f"| {_label(row, one)} | {_number(row, one.ours)} {row.unit} "
        f"| {_number(row, one.peer)} {row.unit} ({row.peer}) "
        f"| {_ratio(one)} | {_goal(one)} | {'yes' if one.met else 'no'} |"
        for one in measured
    )


def versions(row: Row) -> dict[str, str]:
    """Versions of Python, of Wingbeat and of what the row is measured beside."""
    found = {"python": platform.python_version()}
    for package in ("wingbeat", *row.packages):
        found[package] = metadata.version(package)
    return found


def _case_line(row: Row, one: Comparison) -> str:
    return (
        f"{one.case + ': ' if one.case else ''}ours {_number(row, one.ours)} (± {_spread(one.ours):.0%}), "
        f"peer {_number(row, one.peer)} {row.unit} (± {_spread(one.peer):.0%}), ratio {_ratio(one)}, "
        f"goal {_goal(one)}: {'met' if one.met else 'NOT met'}, {len(one.ours)} rounds"
    )


def _case_record(row: Row, one: Comparison) -> dict[str, object]:
    return {
        "ratio": round(one.ratio, 4),
        "goal": one.goal,
        "sense": one.sense,
        "met": one.met,
        "interval": [round(edge, 4) for edge in one.interval],
        "ours": float(np.median(one.ours)) * row.scale,
        "peer": float(np.median(one.peer)) * row.scale,
        "unit": row.unit,
        "spread": {"ours": round(_spread(one.ours), 4), "peer": round(_spread(one.peer), 4)},
        "rounds": len(one.ours),
    }


def _label(row: Row, one: Comparison) -> str:
    return f"{row.name} ({one.case})" if one.case else row.name


def _goal(one: Comparison) -> str:
    return f"{'≥' if one.sense == 'at_least' else '≤'} {one.goal:g}×"


def _ratio(one: Comparison) -> str:
    return f"{one.ratio:.2f}× ({one.interval[0]:.2f}–{one.interval[1]:.2f})"


def _number(row: Row, seconds: tuple[float, ...]) -> str:
    return f"{float(np.median(seconds)) * row.scale:.3g}"


def _spread(seconds: tuple[float, ...]) -> float:
    """Half the distance between the quartiles, relative to the median."""
    low, middle, high = np.percentile(seconds, [25, 50, 75])
    return float((high - low) / 2 / middle)


def _version_line(row: Row) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions(row).items())
