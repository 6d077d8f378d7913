"""The messages that wait: for groups, for coroutines of the plan, for a person.

A pause does not wait for these: they wait themselves.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any, cast

from ..task_scope import alongside, awaited, together
from .branch import Branch
from .errors import OperationTimeoutError, Rewind
from .execution import Execution
from .messages import MsgLike
from .operation import Operation


async def wait(execution: Execution, branch: Branch, msg: MsgLike) -> bool:
    """Wait for a group; True when all of it is done.

    Raises:
        OperationFailedError: A member failed, or an operation of a group in `watch`. The others go on; after a member's
            failure the group is forgotten.
        OperationTimeoutError: It took longer than `timeout`; the group is kept, so that it can be waited for again.
    """
    group: Hashable | None = msg.kwargs["group"] if "group" in msg.kwargs else next(iter(msg.args), None)
    members = [member for member in branch.groups.pop(group, []) if not (member.done and member.claimed)]
    if all(member.success for member in members):
        return True
    watched = _others(branch, msg, members) if msg.kwargs.get("watch") else []
    try:
        late = await _late(execution, branch, members, watched=watched, timeout=msg.kwargs.get("timeout"))
    except Rewind:
        branch.groups[group] = members  # whoever is taken back waits again
        raise
    if not late:
        return True
    branch.groups[group] = members
    if not msg.kwargs.get("error_on_timeout", True):
        return False
    timeout = msg.kwargs["timeout"]
    text = f"wait of group {group!r} took longer than {timeout} s: {', '.join(map(repr, late))}"
    raise OperationTimeoutError(text)


def _others(branch: Branch, msg: MsgLike, members: list[Operation]) -> list[Operation]:
    groups = cast(Sequence[Hashable], msg.kwargs["watch"])
    watched = [one for group in groups for one in branch.groups.get(group, ())]
    return [one for one in watched if one not in members and not one.success and not (one.failed and one.claimed)]


async def _late(
    execution: Execution,
    branch: Branch,
    members: list[Operation],
    *,
    watched: list[Operation],
    timeout: float | None,
) -> list[Operation]:
    """Wait for all; gives those that were not done in time."""
    expired = False
    try:
        async with execution.limit(branch, timeout) as deadline:
            try:
                await _guarded(execution, branch, members, watched)
            finally:
                expired = deadline.expired()
    except TimeoutError:
        if not expired:
            raise  # a member's own
        late = [member for member in members if not member.done]
        if not late:  # the last one was done in the very turn in which the time was up
            await _all(members)
        return late
    return []


async def _guarded(execution: Execution, branch: Branch, members: list[Operation], watched: list[Operation]) -> None:
    if watched:
        await alongside(_all(members), _first_failure(execution, branch, watched))
    else:
        await _all(members)


async def _first_failure(execution: Execution, branch: Branch, watched: list[Operation]) -> None:
    """Wait until one of them has failed, and raise what with; those that end well are not waited for."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(operation: Operation) -> None:
        if operation.failed and not failed.done():
            failed.set_result(None)

    for one in watched:
        one.add_callback(ended)
    try:
        await execution.pending.until(branch, failed)
    finally:
        for one in watched:
            one.discard_callback(ended)
    await next(one for one in watched if one.failed)


async def _all(members: list[Operation]) -> None:
    """Await all; the first failure in time is raised as it is, at once."""
    waiting = [member for member in members if not member.done]
    for member in members:
        if member.done:
            await member
    if len(waiting) == 1:
        await waiting[0]
    elif waiting:
        await together(*(_settle(member) for member in waiting))


async def _settle(member: Operation) -> None:
    await member


async def sleep(execution: Execution, branch: Branch, msg: MsgLike) -> None:
    """Let seconds pass: of the plan's time, which stands still in a pause."""
    seconds = float(msg.args[0])
    # A suspender's own plan runs while the plan's clock stands.
    work = asyncio.sleep(seconds) if branch.exempt else execution.freezer.clock.sleep(seconds)
    await execution.apart(branch, work, name="sleep")


async def wait_for(execution: Execution, branch: Branch, msg: MsgLike) -> list["asyncio.Task[Any]"]:
    """Wait for the awaitables that the factories in the first argument make; gives their tasks, failed or not.

    Keyword arguments are `timeout` and `return_when` of `asyncio.wait`. What is left undone by `return_when` goes on.

    Raises:
        OperationTimeoutError: They took longer than `timeout` seconds; they are cancelled.
    """
    (factories,) = msg.args
    kwargs = dict(msg.kwargs)
    timeout: float | None = kwargs.pop("timeout", None)
    tasks: list[asyncio.Task[Any]] = []
    starting = _start(execution, branch, tasks, factories, timeout=timeout, kwargs=kwargs)
    try:
        await execution.apart(branch, starting, name="wait_for")
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
    return tasks


async def _start(
    execution: Execution,
    branch: Branch,
    tasks: "list[asyncio.Task[Any]]",
    factories: Iterable[Callable[[], Any]],
    *,
    timeout: float | None,
    kwargs: Any,
) -> None:
    tasks += [execution.owner.start(awaited(factory()), name="wait_for") for factory in factories]
    try:
        async with execution.limit(branch, timeout):
            if tasks:
                await asyncio.wait(tasks, **kwargs)
    except TimeoutError as error:
        late = sum(not task.done() for task in tasks)
        text = f"wait_for: {late} of {len(tasks)} coroutines took longer than {timeout} s"
        raise OperationTimeoutError(text) from error


async def ask(execution: Execution, branch: Branch, msg: MsgLike) -> str:
    """Print a prompt and give the line that is typed; a stop or an abort does not wait for it.

    Raises:
        EOFError: Nobody can type anything: standard input is at its end.
    """
    prompt = str(msg.kwargs.get("prompt", next(iter(msg.args), "")))
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def asking() -> None:
        try:
            outcome = partial(_answer, answered, input(prompt))
        except EOFError as error:
            outcome = partial(_refuse, answered, error)
        loop.call_soon_threadsafe(outcome)

    # A daemon, as nothing can call a thread back that waits for a person.
    threading.Thread(target=asking, name="input", daemon=True).start()
    return await execution.apart(branch, awaited(answered), name="input")


def _answer(answered: "asyncio.Future[str]", line: str) -> None:
    if not answered.done():
        answered.set_result(line)


def _refuse(answered: "asyncio.Future[str]", error: EOFError) -> None:
    if not answered.done():
        answered.set_exception(EOFError(f"input: standard input is closed; nobody can answer ({error})"))


Waiting = Callable[[Execution, Branch, MsgLike], Any]

WAITING: dict[str, Waiting] = {"wait": wait, "wait_for": wait_for, "sleep": sleep, "input": ask}
