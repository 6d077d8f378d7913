import asyncio

import pytest
from wingbeat.task_scope import alongside, task_scope, together


async def value(of: object) -> object:
    return of


async def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("cancelled")


async def test_together_gives_results_in_order_and_takes_any_awaitable():
    future = asyncio.get_running_loop().create_future()
    future.set_result("b")
    assert await together(value("a"), future, value("c")) == ["a", "b", "c"]


async def test_the_first_failure_comes_out_as_itself_with_its_cause_and_the_others_are_cancelled():
    ended: list[str] = []
    with pytest.raises(KeyError, match="pv") as caught:
        await together(for_ever(ended), fail(KeyError("pv"), cause=OSError("disk")))
    assert isinstance(caught.value.__cause__, OSError)
    assert ended == ["cancelled"]


async def test_failures_at_the_same_time_are_notes_of_the_first():
    with pytest.raises(KeyError) as caught:
        await together(fail(KeyError("first")), fail(ValueError("second")))
    assert caught.value.__notes__ == ["at the same time: ValueError('second')"]


async def test_groups_within_groups_are_taken_apart():
    with pytest.raises(KeyError, match="deep"):
        async with task_scope() as group:
            group.create_task(together(together(fail(KeyError("deep")))))


async def test_a_companion_ends_with_what_it_accompanies():
    ended: list[str] = []
    assert await alongside(asyncio.sleep(0, "done"), for_ever(ended)) == "done"
    assert ended == ["cancelled"]


async def test_a_companion_that_fails_ends_what_it_accompanies():
    ended: list[str] = []
    with pytest.raises(KeyError, match="companion"):
        await alongside(for_ever(ended), fail(KeyError("companion")))
    assert ended == ["cancelled"]
