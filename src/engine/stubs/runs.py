"""Stubs that open and close runs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ..branch import here
from ..dispatch import dispatch
from ..errors import Interruption, Rewind
from ..execution import reason_of
from ..messages import Msg
from ..run import Run


async def open_run(md: Mapping[str, Any] | None = None) -> str:
    """Open a run; gives its uid."""
    return await dispatch(Msg("open_run", None, (), dict(md or {})))


async def close_run(exit_status: str | None = None, reason: str | None = None, **extra: Any) -> str:
    """Close the run; gives its uid. `extra` become keys of its stop document."""
    return await dispatch(Msg("close_run", None, (), {"exit_status": exit_status, "reason": reason, **extra}))


async def add_to_stop(**extra: Any) -> None:
    """Keep `extra` keys for the stop document: they stand there also when the engine closes the run, after an abort."""
    await dispatch(Msg("add_to_stop", None, (), extra))


@asynccontextmanager
async def run(md: Mapping[str, Any] | None = None) -> AsyncGenerator[Run, None]:
    """Have a run open inside the `async with`, and closed after it with the exit_status that is true.

    On an error the devices that were moved or triggered are stopped first, and the run is closed as failed. On a
    stop or an abort the engine closes it, when the plan has ended and its devices are stopped.
    """
    uid = await open_run(md)
    execution = here().execution
    handle = next((one.handle for one in execution.runs.values() if uid in (None, one.uid)), Run(""))
    try:
        yield handle
    except Interruption:
        raise
    except Rewind:
        if _is_open(uid) and execution.interruption is None:
            await close_run("abort", "its step is taken again")
        raise
    except Exception as error:
        if _is_open(uid) and execution.interruption is None:
            await execution.quiet()
            await close_run("fail", reason_of(error))
        raise
    if _is_open(uid):
        await close_run()


def _is_open(uid: str | None) -> bool:
    return any(one.uid == uid for one in here().execution.runs.values())
