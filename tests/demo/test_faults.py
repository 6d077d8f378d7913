from hypothesis import given
from hypothesis import strategies as st
from wingbeat.demo.faults import draw_faults


@given(seed=st.integers(), planned=st.integers(3, 10_000))
def test_two_triggers_and_one_frame_are_lost_at_different_places_within_the_plan(seed: int, planned: int):
    faults = draw_faults(seed, planned=planned)
    assert (len(faults.lost), len(faults.dropped)) == (2, 1)
    assert len(set(faults.frames)) == 3
    assert all(0 <= frame < planned for frame in faults.frames)
    assert faults == draw_faults(seed, planned=planned)


def test_another_seed_loses_other_frames():
    assert len({draw_faults(seed, planned=5000).frames for seed in range(20)}) > 15
