"""A device lives in the loop that connected it and is reached from any other."""

import asyncio
import threading

import pytest
from wingbeat.async_devices import Device, SoftMotor, connected, mock_of, signal_rw, soft_signal_rw
from wingbeat.async_devices.errors import LoopEndedError, NotConnectedError, WaitTimeoutError


class Loop:
    """A loop that runs in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="home")
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=20)

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=20)
        self.loop.close()


@pytest.fixture
def home():
    home = Loop()
    yield home
    if not home.loop.is_closed():
        home.end()


class Stage(Device):
    def __init__(self):
        self.gain = signal_rw(float, "ca://GAIN")
        self.x = SoftMotor(velocity=50.0)
        super().__init__()


def test_without_a_loop_of_its_own_a_script_connects_in_that_of_an_engine(home):
    with connected(loop=home.loop, mock=True) as devices:
        stage = Stage()
    assert devices == {"stage": stage}
    assert stage.gain.name == "stage-gain"
    assert stage.gain.home_loop is home.loop
    status = stage.gain.set(3.0)  # no loop runs in this thread
    done = threading.Event()
    status.add_callback(lambda _: done.set())
    assert done.wait(20)
    assert status.success
    assert home.run(stage.gain.get_value()) == 3.0
    home.run(stage.disconnect())


def test_a_script_is_told_what_does_not_connect(home):
    with pytest.raises(NotConnectedError, match="tango://x"), connected(loop=home.loop):
        wrong = signal_rw(float, "tango://x")
    assert wrong.home_loop is None


async def test_without_a_loop_the_form_with_await_is_asked_for():
    with pytest.raises(LoopEndedError, match="async with"), connected():
        pass


async def test_a_move_reports_its_progress_and_its_end_to_the_loop_that_asked(home):
    async with connected(loop=home.loop, mock=True):
        stage = Stage()
    here, seen = threading.get_ident(), []
    status = stage.x.set(20.0)
    status.watch(lambda **progress: seen.append((threading.get_ident(), progress["target"])))
    await status
    await asyncio.sleep(0)
    assert stage.x.position == 20.0
    assert set(seen) == {(here, 20.0)}
    assert (await stage.x.read())["stage-x"]["value"] == 20.0
    await stage.disconnect()


async def test_an_error_and_a_cancellation_cross_the_bridge(home):
    async with connected(loop=home.loop, mock=True):
        stage = Stage()
    mock_of(stage.gain).hold()
    with pytest.raises(WaitTimeoutError, match="ca://GAIN"):
        await stage.gain.put(1.0, timeout=0.01)
    status = stage.gain.set(2.0)
    await asyncio.sleep(0.05)
    status.cancel()
    with pytest.raises(asyncio.CancelledError):
        await status
    mock_of(stage.gain).release()
    await stage.gain.put(3.0)
    await stage.disconnect()
    assert home.run(_tasks()) == 1


async def _tasks():
    return len(asyncio.all_tasks())


async def _all_ended():
    for task in (others := asyncio.all_tasks() - {asyncio.current_task()}):
        task.cancel()
    await asyncio.wait(others)


async def test_a_status_made_in_one_loop_is_awaited_in_another(home):
    async with connected(loop=home.loop, mock=True):
        stage = Stage()

    async def begin():
        return stage.x.set(5.0)

    status = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(begin(), home.loop))
    await status
    assert status.success
    await stage.disconnect()


async def test_a_home_that_ended_is_an_error_and_never_a_hang(home):
    async with connected(loop=home.loop, mock=True):
        stage = Stage()
    waiting = asyncio.ensure_future(stage.gain.wait_for_value(99.0, timeout=60))
    await asyncio.sleep(0.05)
    home.loop.call_soon_threadsafe(home.loop.stop)
    with pytest.raises(LoopEndedError, match="does not run"):
        await waiting
    with pytest.raises(LoopEndedError):
        await stage.gain.get_value()
    home.thread.join(timeout=20)
    await asyncio.to_thread(home.loop.run_until_complete, _all_ended())
    home.loop.close()
    with pytest.raises(LoopEndedError, match="closed"):
        await stage.gain.put(1.0)
    await stage.connect(mock=True)
    await stage.gain.put(1.0)
    assert stage.gain.home_loop is asyncio.get_running_loop()
    await stage.disconnect()


async def test_a_signal_that_nobody_connected_acts_where_it_is_called(home):
    signal = soft_signal_rw(int, 1, name="n")
    assert await signal.get_value() == 1
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(signal.put(2), home.loop))
    assert await signal.get_value() == 2
