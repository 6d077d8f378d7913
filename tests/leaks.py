"""What a test must not leave behind: tasks, threads, child processes. Nor may it sleep on the loop.

Tasks are looked at after the test's own fixtures have ended and before its event loop closes, which would cancel them
silently. Threads and children are looked at after that, for the loop's default executor ends with the loop. Fixtures of
a wider scope may keep what they started while they were set up.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GRACE_SECONDS = 2.0
TASK_TURNS = 10

_real_sleep = time.sleep
_known_threads: set[int] = set()
_known_children: set[int] = set()
_allowed_threads: set[int] = set()
_allowed_children: set[int] = set()


@pytest.fixture
async def no_leftover_tasks() -> AsyncIterator[None]:
    """Fail the test whose tasks outlive it and its fixtures."""
    yield
    left: list[asyncio.Task[object]] = []
    for _ in range(TASK_TURNS):
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if not left:
            return
        await asyncio.sleep(0)
    for task in left:
        task.cancel()
    await asyncio.wait(left, timeout=1)
    pytest.fail("tasks left running: " + ", ".join(f"{task.get_name()} ({task.get_coro()})" for task in left))


@pytest.fixture(autouse=True)
def fail_on_leftovers(request: pytest.FixtureRequest) -> None:
    """Arm the look for leftover tasks in every test that has an event loop."""
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("no_leftover_tasks")


@pytest.fixture(autouse=True)
def no_sleep_on_the_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail `time.sleep` where a loop runs: there it stops everything. The marker `blocks_loop` allows it.

    Blocking by computing or by file I/O is not looked for: on a busy machine a clock cannot tell it from being
    scheduled out.
    """
    if not request.node.get_closest_marker("blocks_loop"):
        monkeypatch.setattr(time, "sleep", _sleep_off_the_loop)


def _sleep_off_the_loop(seconds: float) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _real_sleep(seconds)
        return
    pytest.fail(f"time.sleep({seconds:g}) in a running event loop: it blocks every task; use asyncio.sleep or a thread")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which threads and children there were before the test's fixtures."""
    del item
    remember()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Let fixtures that outlive the test keep what they started."""
    if fixturedef.scope == "function":
        return (yield)
    with allowed():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test that left a thread or a child process running."""
    del item
    result = yield
    check_threads_and_children()
    return result


def remember() -> None:
    """Take what runs now as there before the test."""
    _known_threads.update(_threads())
    _known_children.update(_children())


@contextmanager
def allowed() -> Iterator[None]:
    """Whatever is started inside may outlive the test."""
    threads, children = set(_threads()), _children()
    try:
        yield
    finally:
        _allowed_threads.update(set(_threads()) - threads)
        _allowed_children.update(_children() - children)


def check_threads_and_children() -> None:
    """Fail when something new still runs after a short time of grace."""
    threads = _settle(lambda: {ident for ident in _threads() if ident not in _known_threads | _allowed_threads})
    children = _settle(lambda: _children() - _known_children - _allowed_children)
    left = [f"thread {_threads()[ident].name!r}" for ident in threads & _threads().keys()]
    left += [f"child process {pid} ({_command_of(pid)})" for pid in children]
    remember()  # the next test is not to blame for them
    if left:
        pytest.fail("left running: " + ", ".join(left))


def _settle(left: Callable[[], set[int]]) -> set[int]:
    deadline = time.monotonic() + GRACE_SECONDS
    while left() and time.monotonic() < deadline:
        _real_sleep(0.01)
    return left()


def _threads() -> dict[int, threading.Thread]:
    return {thread.ident: thread for thread in threading.enumerate() if thread.ident and not thread.daemon}


def _children() -> set[int]:
    """Children that run; those that have ended and wait to be reaped are left out. Known on Linux alone."""
    tasks = Path("/proc/self/task")
    pids: set[int] = set()
    for task in tasks.iterdir() if tasks.exists() else ():
        try:
            pids.update(int(pid) for pid in (task / "children").read_text().split())
        except OSError:  # that thread has just ended, or this kernel does not tell
            continue
    return {pid for pid in pids if _state_of(pid) not in {"Z", ""}}


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return "ended since"
