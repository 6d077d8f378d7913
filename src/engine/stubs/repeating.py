"""Stubs that do something several times."""

import itertools
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from ..dispatch import dispatch
from ..messages import Msg
from .control import checkpoint, inline, performed, sleep


async def broadcast_msg(command: str, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Send the same message to several devices, one after the other; gives the answers."""
    return [await dispatch(Msg(command, obj, args, kwargs)) for obj in objs]


async def repeater(n: int | None, gen_func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Do `gen_func(*args, **kwargs)` n times; None goes on until the plan is stopped."""
    for _ in itertools.count() if n is None else range(n):
        await performed(gen_func(*args, **kwargs))


async def caching_repeater(n: int | None, plan: Any) -> None:
    """Run a plan n times; None goes on until the plan is stopped.

    A generator of messages is gone through once, for its messages; a Plan is run anew each time.
    """
    messages: Any = list(cast(Iterable[Any], plan)) if hasattr(plan, "send") else plan
    for _ in itertools.count() if n is None else range(n):
        await inline(messages)


async def repeat(plan: Callable[[], Any], num: int | None = 1, delay: float | Iterable[float | None] = 0.0) -> None:
    """Do `plan()` several times, with delays between.

    Args:
        plan: A function that makes what is done.
        num: How often; None goes on until the plan is stopped or there are no delays left.
        delay: Seconds from the begin of one to the begin of the next, at least; or one such time for each gap.

    Raises:
        ValueError: There are fewer delays than gaps.
    """
    async with aclosing(paced(num, delay)) as turns:
        async for _ in turns:
            await checkpoint()
            await performed(plan())


async def paced(num: int | None, delay: float | Iterable[float | None]) -> AsyncGenerator[int, None]:
    """Count from 0, and wait between two numbers; see `repeat`."""
    delays = _delays(num, delay)
    for number in itertools.count() if num is None else range(num):
        begun = time.monotonic()
        yield number
        if number + 1 == num:
            return
        try:
            gap = next(delays)
        except StopIteration:
            if num is None:
                return
            raise _too_few(num, number) from None
        left = (gap or 0.0) - (time.monotonic() - begun)
        if left > 0:
            await sleep(left)


def _delays(num: int | None, delay: float | Iterable[float | None]) -> Iterator[float | None]:
    if not isinstance(delay, Iterable):
        return itertools.repeat(delay)
    if num and isinstance(delay, Sequence) and len(cast(Sequence[Any], delay)) < num - 1:
        raise _too_few(num, len(cast(Sequence[Any], delay)))
    return iter(delay)


def _too_few(num: int, delays: int) -> ValueError:
    return ValueError(f"{num} repetitions have {num - 1} delays between them, seen {delays}")
