"""Stubs that steer the plan itself: checkpoints, pauses, waiting, and plans in plans."""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, cast

from ..dispatch import dispatch
from ..errors import UnsupportedVerbError
from ..generator_plans import as_messages
from ..messages import Msg
from ..plan import Plan
from ..section import drive

_NULL = Msg("null")
_CHECKPOINT = Msg("checkpoint")
_CLEAR_CHECKPOINT = Msg("clear_checkpoint")


async def null() -> None:
    """Do nothing, but pass the engine's gate."""
    await dispatch(_NULL)


async def checkpoint(name: str | None = None) -> None:
    """Mark a place at which a pause may wait, by name if it has one."""
    await dispatch(_CHECKPOINT if name is None else Msg("checkpoint", None, (), {"name": name}))


async def clear_checkpoint() -> None:
    """Have what a generator plan does from here on not be done again, up to its next checkpoint.

    An async plan is taken back by its steps alone: there it is a message and no more.
    """
    await dispatch(_CLEAR_CHECKPOINT)


async def pause() -> None:
    """Pause the plan here: whoever awaits it gets RunPaused, and `await RE.resume()` goes on."""
    await dispatch(Msg("pause", None, (), {"defer": False}))


async def deferred_pause() -> None:
    """Pause the plan at its next checkpoint."""
    await dispatch(Msg("pause", None, (), {"defer": True}))


async def sleep(time: float) -> None:
    """Let `time` seconds pass."""
    await dispatch(Msg("sleep", None, (time,)))


async def wait(
    group: Hashable | None = None,
    *,
    timeout: float | None = None,
    error_on_timeout: bool = True,
    watch: Sequence[Hashable] = (),
) -> bool:
    """Wait for all operations of a group; True when all are done.

    Args:
        group: The group.
        timeout: Seconds that it may take.
        error_on_timeout: Whether to raise then, or to give False.
        watch: Other groups: a failure in one of these ends the wait, too.

    Raises:
        OperationFailedError: One failed.
        OperationTimeoutError: It took longer than `timeout` seconds.
    """
    kwargs: dict[str, Any] = {"group": group, "timeout": timeout, "error_on_timeout": error_on_timeout}
    return await dispatch(Msg("wait", None, (), {**kwargs, "watch": tuple(watch)} if watch else kwargs))


async def wait_for(futures: Iterable[Callable[[], Awaitable[Any]]], **kwargs: Any) -> list[Any]:
    """Wait for coroutines, given as functions that make them; gives their tasks.

    Args:
        futures: The functions.
        kwargs: `timeout` in seconds and `return_when`, as `asyncio.wait` has them.

    Raises:
        OperationTimeoutError: They took longer than `timeout`; they are cancelled.
        Exception: What the first of them that failed has raised.
    """
    factories = tuple(futures)
    for factory in factories:
        if not callable(factory):
            msg = f"wait_for needs functions that make awaitables, seen {factory!r}"
            raise UnsupportedVerbError(msg)
    tasks = await dispatch(Msg("wait_for", None, (factories,), kwargs))
    for task in tasks:
        if task.done():
            task.result()
    return tasks


async def input_plan(prompt: str = "") -> str:
    """Ask whoever sits at the terminal, and give the answer."""
    return await dispatch(Msg("input", None, (), {"prompt": prompt}))


async def subscribe(name: str, func: Callable[[str, Any], Any]) -> int:
    """Subscribe `func(name, doc)` to documents called `name` until the plan ends; gives a token for `unsubscribe`."""
    return await dispatch(Msg("subscribe", None, (func, name)))


async def unsubscribe(token: int) -> None:
    """End what `subscribe` began."""
    await dispatch(Msg("unsubscribe", None, (), {"token": token}))


async def install_suspender(suspender: Any) -> None:
    """Have plans rest for a suspender from here on, until it is removed."""
    await dispatch(Msg("install_suspender", None, (suspender,)))


async def remove_suspender(suspender: Any) -> None:
    """Have plans rest for it no more."""
    await dispatch(Msg("remove_suspender", None, (suspender,)))


async def inline(plan: Any) -> Any:
    """Run a Plan or a generator of messages in the plan that runs here, and give its value."""
    if isinstance(plan, Plan):
        return await cast(Plan[Any], plan).body()
    return await drive(as_messages(plan))


async def performed(given: Any) -> Any:
    """Give the value of what a user's function has returned: an awaitable, a generator of messages, or the value."""
    if hasattr(given, "__await__"):
        return await given
    if hasattr(given, "send"):
        return await inline(given)
    return given
