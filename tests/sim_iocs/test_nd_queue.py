"""The queue of a plugin: nothing is both kept and dropped, and batches make no difference."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.nd_queue import PluginQueue
from wingbeat.sim_iocs.picture import Scene
from wingbeat.sim_iocs.shots import Shots

SCENE = Scene(seed=0, shape=(8, 8), dtype="uint16")
MS = 1_000_000


def shots(arrivals: list[int]) -> Shots:
    n, times = len(arrivals), np.array(arrivals, dtype=np.int64)
    numbers, zeros = np.arange(1, n + 1), np.zeros(n)
    return Shots(numbers, numbers, times, times, zeros, zeros, zeros + 1, {})


def offered(queue: PluginQueue, arrivals: list[int], *, batches: int) -> tuple[list[int], int]:
    everything, dropped, taken = shots(arrivals), 0, []
    for rows in np.array_split(np.arange(len(arrivals)), batches):
        part = everything.rows(rows.tolist())
        dropped += queue.offer(SCENE, part)
        if part.size:
            taken += queue.take(int(part.arrival_ns[-1]))
    taken += queue.take(10**18)
    return [int(t) for batch in taken for t in batch.shots.trigger], dropped


@given(
    st.lists(st.integers(0, 3 * MS), min_size=1, max_size=60),
    st.integers(0, 5),
    st.integers(1, 8),
    st.integers(1, 60),
)
def test_kept_and_dropped_are_all_that_came_however_it_was_handed_over(spacings, ms, size, batches) -> None:
    arrivals = np.cumsum(spacings).tolist()
    results = []
    for count in (1, batches):
        queue = PluginQueue(size)
        queue.seconds = ms / 1000
        results.append(offered(queue, arrivals, batches=count))
    (kept, dropped), other = results
    assert (kept, dropped) == other
    assert len(kept) + dropped == len(arrivals)
    assert kept == sorted(set(kept))
    assert ms or not dropped


def test_a_slow_plugin_keeps_what_the_queue_holds_of_a_volley() -> None:
    queue = PluginQueue(3)
    queue.seconds = 0.010
    assert queue.offer(SCENE, shots([0, 1, 2, 3, 4])) == 2
    assert len(queue) == 3
    assert [batch.done_ns.tolist() for batch in queue.take(20 * MS)] == [[10 * MS, 20 * MS]]
    assert len(queue) == 1


def test_a_rate_makes_large_frames_slow() -> None:
    queue = PluginQueue(10)
    queue.rate = 128_000.0
    assert queue.cost_ns(SCENE.nbytes) == MS


def test_an_unbounded_offer_drops_nothing() -> None:
    queue = PluginQueue(1)
    queue.seconds = 1.0
    assert queue.offer(SCENE, shots(list(range(50))), bounded=False) == 0
    assert len(queue) == 50
