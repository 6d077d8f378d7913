"""An engine on a directory of its own, and what its documents are checked with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from event_model import DocumentNames, schema_validators
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine


class Collected(list[tuple[str, dict[str, Any]]]):
    """Documents in the order in which a critical subscriber got them."""

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        self.append((name, doc))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [doc for name, doc in self if name == kind]

    def check_schemas(self) -> None:
        for name, doc in self:
            schema_validators[DocumentNames[name]].validate(doc)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so that nothing announces; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110  # what is waited for is plain data of the test
        await asyncio.sleep(0.005)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[RunEngine]:
    async with RunEngine(tmp_path) as engine:
        engine.cleanup_time, engine.grace_time, engine.device_stop_time = 5.0, 0.05, 2.0
        yield engine


@pytest.fixture
def docs(engine: RunEngine) -> Collected:
    collected = Collected()
    engine.subscribe(collected, critical=True)
    return collected


@pytest.fixture
def x() -> SoftMotor:
    return SoftMotor("x")


@pytest.fixture
def det() -> SoftDetector:
    return SoftDetector("det")
