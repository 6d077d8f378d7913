"""The fixtures that all other tests lean on do what they say."""

import asyncio
import os
import time
from pathlib import Path

import aioca
import pytest
from p4p.client.asyncio import Context

from tests.beamline import Beamline
from tests.virtual_clock import VirtualClock

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")
ROOT = CONFTEST.parent.parent


async def test_an_hour_of_sleep_passes_at_once(virtual_clock: VirtualClock) -> None:
    started = time.monotonic()
    await asyncio.sleep(3600)
    assert virtual_clock.elapsed == pytest.approx(3600)
    assert time.monotonic() - started < 60


async def test_timers_fire_in_the_order_of_their_times(virtual_clock: VirtualClock) -> None:
    order: list[str] = []

    async def later(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        order.append(f"{name} at {virtual_clock.elapsed:.0f}")

    async with asyncio.TaskGroup() as group:
        for seconds, name in ((30, "last"), (10, "first"), (20, "middle")):
            group.create_task(later(seconds, name))
    assert order == ["first at 10", "middle at 20", "last at 30"]


async def test_a_deadline_is_virtual_too(virtual_clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    assert virtual_clock.elapsed == pytest.approx(60)


async def test_time_stands_still_without_a_sleep(virtual_clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(0)
    assert loop.time() == before


async def test_work_in_a_thread_does_not_let_a_deadline_pass(virtual_clock: VirtualClock) -> None:
    async with asyncio.timeout(5):
        await asyncio.to_thread(time.sleep, 0.05)
    assert virtual_clock.elapsed < 5


async def test_a_loopback_connection_works_under_the_virtual_clock(virtual_clock: VirtualClock) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"there and back\n")
        assert await reader.readline() == b"there and back\n"
        writer.close()
        await writer.wait_closed()


def test_epics_clients_of_the_tests_are_confined_to_loopback() -> None:
    assert os.environ["EPICS_CA_ADDR_LIST"] == os.environ["EPICS_PVA_ADDR_LIST"] == "127.0.0.1"
    assert os.environ["EPICS_CA_AUTO_ADDR_LIST"] == os.environ["EPICS_PVA_AUTO_ADDR_LIST"] == "NO"
    assert os.environ["EPICS_CA_SERVER_PORT"] != "5064"


@pytest.mark.system
async def test_clients_of_this_process_see_the_simulated_beamline(simulated_beamline: Beamline) -> None:
    assert await aioca.caget(f"{simulated_beamline.prefix}X.EGU") == "mm"
    with Context("pva") as context:
        async with asyncio.timeout(10):
            assert await context.get(f"{simulated_beamline.prefix}PANDA:PVI") is not None


INI = f"""
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = {ROOT}
markers =
    blocks_loop: allowed
"""

LEAVES_BEHIND = """
import asyncio, subprocess, threading, time

async def test_task():
    asyncio.get_running_loop().create_task(asyncio.sleep(60), name="forgotten")

def test_thread():
    threading.Thread(target=time.sleep, args=(4,), name="forgotten").start()

def test_child():
    global child
    child = subprocess.Popen(["sleep", "4"])

async def test_sleep():
    time.sleep(0.001)
"""


@pytest.mark.slow
def test_what_a_test_leaves_behind_fails_it(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(LEAVES_BEHIND)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, errors=3, failed=1)  # what is left is seen after the test has passed
    for message in (
        "*tasks left running: forgotten*",
        "*left running: thread 'forgotten'*",
        "*left running: child process * (sleep 4)*",
        "*time.sleep(0.001) in a running event loop*",
    ):
        result.stdout.fnmatch_lines([message])


@pytest.mark.slow
def test_a_test_that_tidies_up_passes(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(
        """
        import asyncio, subprocess, threading, time, pytest

        @pytest.fixture(scope="session")
        def helper():
            with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
                yield process

        @pytest.fixture
        async def ticking():
            task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
            yield
            task.cancel()

        async def test_task(ticking, helper):
            await asyncio.to_thread(time.sleep, 0.001)

        def test_thread(helper):
            thread = threading.Thread(target=time.sleep, args=(0.01,))
            thread.start()
            thread.join()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
