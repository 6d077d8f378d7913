import asyncio

from wingbeat.sim_iocs.clock import RealClock, VirtualClock


async def test_a_virtual_clock_wakes_sleepers_in_the_order_of_their_times_at_their_times() -> None:
    clock, woken = VirtualClock(start_ns=0), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now_ns()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(seconds))
        await clock.run(2.5)
        assert woken == [(1.0, 1_000_000_000), (2.0, 2_000_000_000)]
        assert clock.now_ns() == 2_500_000_000
        await clock.run(1.0)
    assert woken[-1] == (3.0, 3_000_000_000)


async def test_a_sleeper_that_sleeps_again_is_woken_within_one_run() -> None:
    clock, ticks = VirtualClock(start_ns=0), []

    async def ticker() -> None:
        for _ in range(5):
            await clock.sleep(0.1)
            ticks.append(clock.now_ns())

    async with asyncio.TaskGroup() as group:
        group.create_task(ticker())
        await clock.run(1.0)
    assert ticks == [100_000_000 * n for n in range(1, 6)]


def test_the_real_clock_never_goes_back() -> None:
    clock = RealClock()
    times = [clock.now_ns() for _ in range(1000)]
    assert times == sorted(times)
