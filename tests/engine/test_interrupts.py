"""Ctrl-C, as the process gets it."""

import asyncio
import os
import signal

import pytest
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import PlanAbortedError, RunPaused
from wingbeat.engine.states import State
from wingbeat.engine.stubs import checkpoint, sleep

from tests.engine.axis import Axis
from tests.engine.conftest import until
from tests.engine.test_pause import move


@plan
async def many_points(taken: list[int]) -> None:
    for number in range(1000):
        await checkpoint()
        await sleep(0.01)
        taken.append(number)


async def test_ctrl_c_pauses_at_the_next_checkpoint_and_the_plan_goes_on_where_it_was(engine: RunEngine) -> None:
    taken: list[int] = []
    awaited = asyncio.ensure_future(engine(many_points(taken)))
    await until(lambda: taken)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RunPaused, match="interrupted from the keyboard"):
        await awaited
    assert engine.state is State.PAUSED
    assert taken == list(range(len(taken)))
    resumed = asyncio.ensure_future(engine.resume())
    at_pause = len(taken)
    await until(lambda: len(taken) >= at_pause + 2)
    assert taken == list(range(len(taken)))
    await engine.abort()
    with pytest.raises(PlanAbortedError):
        await resumed


async def test_a_second_ctrl_c_pauses_at_once_and_a_third_aborts(engine: RunEngine) -> None:
    axis = Axis()
    awaited = asyncio.ensure_future(engine(move(axis, 1)))
    await axis.moving.wait()
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.02)
    assert engine.state is State.RUNNING
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RunPaused):
        await awaited
    assert axis.log == ["x set 1", "x stop True"]
    os.kill(os.getpid(), signal.SIGINT)
    await until(lambda: engine.state is State.IDLE)
    assert axis.log == ["x set 1", "x stop True", "x stop False"]
