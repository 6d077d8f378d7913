"""What a benchmark row is: the record its module is read into, and what its sides return."""

import hashlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np

Which = Literal["ours", "peer"]
Sense = Literal["at_least", "at_most"]

SEED = 20_260_101
"""Seed of every generated input."""

_MACHINERY = frozenset({"__init__", "__main__", "bench", "compare", "processes", "report"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SideResult:
    """What one side did, and how long one unit of it took.

    Attributes:
        seconds: Time of one unit of work, set-up and imports excluded.
        digest: Proof of the work; both sides must return the same.
    """

    seconds: float
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One benchmark as its module describes it."""

    name: str
    work: str
    peer: str
    goals: dict[str, float]
    unit: str
    scale: float
    sense: Sense
    packages: tuple[str, ...]
    module: ModuleType

    def run_side(self, which: Which) -> dict[str, SideResult]:
        """Do the work of one side in this process; a row without cases has the one case ""."""
        side: Callable[[Which], SideResult | dict[str, SideResult]] = self.module.side
        result = side(which)
        return {"": result} if isinstance(result, SideResult) else result

    def prepare(self) -> None:
        """Make the row's large inputs, if it has any."""
        if hasattr(self.module, "prepare"):
            directory = data_directory()
            directory.mkdir(parents=True, exist_ok=True)
            self.module.prepare(directory)


def names() -> list[str]:
    """The names of all rows."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _MACHINERY)


def load(name: str) -> Row:
    """Read the row `name` from its module.

    Raises:
        LookupError: There is no such row; the message lists those there are.
        ValueError: The module calls itself something else.
    """
    if name not in names():
        msg = f"no benchmark is called {name!r}: there are {', '.join(names())}"
        raise LookupError(msg)
    module = importlib.import_module(f"{__package__}.{name}")
    if name != module.NAME:
        msg = f"benchmarks/{name}.py has NAME = {module.NAME!r}: it must be the file's name"
        raise ValueError(msg)
    cases: tuple[str, ...] = getattr(module, "CASES", ("",))
    goal: float | dict[str, float] = module.GOAL
    return Row(
        name=name,
        work=(module.__doc__ or name).strip().splitlines()[0],
        peer=module.PEER,
        goals={case: goal[case] if isinstance(goal, dict) else goal for case in cases},
        unit=module.UNIT,
        scale=getattr(module, "SCALE", 1.0),
        sense=getattr(module, "SENSE", "at_least"),
        packages=tuple(module.PACKAGES),
        module=module,
    )


def data_directory() -> Path:
    """Where large inputs are kept between runs."""
    return Path(os.environ.get("WINGBEAT_BENCH_DATA", ".benchmarks/data")).absolute()


def digest_of(*parts: bytes | str | float | np.ndarray) -> str:
    """Condense results into a short string: the same for the same values, dtypes and shapes in the same order."""
    total = hashlib.sha256()
    for part in parts:
        for piece in _bytes_of(part):
            total.update(len(piece).to_bytes(8, "little"))
            total.update(piece)
    return total.hexdigest()[:16]


def _bytes_of(part: bytes | str | float | np.ndarray) -> tuple[bytes, ...]:
    if isinstance(part, np.ndarray):
        return (str(part.dtype).encode(), repr(part.shape).encode(), np.ascontiguousarray(part).tobytes())
    return (part,) if isinstance(part, bytes) else (str(part).encode(),)
