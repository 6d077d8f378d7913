"""A few rounds of each campaign, so that the campaigns themselves stay whole."""

import asyncio
from pathlib import Path

import pytest

from tests.engine.soak_kill import killed, problems
from tests.engine.soak_messages import soaked


@pytest.mark.slow
def test_three_kills_in_a_row_lose_no_committed_document(tmp_path: Path) -> None:
    for number in range(3):
        assert problems(tmp_path, killed(tmp_path, seed=number), number + 1) == []


def test_the_messages_of_the_soak_are_performed_and_memory_is_read() -> None:
    assert len(asyncio.run(soaked(2000, seed=1))) == 10
