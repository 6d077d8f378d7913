"""Frames in, verdicts out: nothing is lost, doubled or renamed, whatever the hardware loses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.async_devices.flight import DetectorCounts, FrameIdentities, Identity
from wingbeat.flyscan.errors import LedgerError
from wingbeat.flyscan.ledger import Ledger
from wingbeat.stream_resource.frames import FrameRange, RangeSet
from wingbeat.stream_resource.verdicts import Verdict

SPACING = 1_000_000
START = 1_700_000_000_000_000_000
LINE = 10


def trigger_times(planned: int) -> np.ndarray:
    """A millisecond between frames, a long turnaround after every line of ten."""
    frames = np.arange(planned)
    return START + frames * SPACING + (frames // LINE) * 80_000_000


def lines(planned: int) -> list[FrameRange]:
    return [FrameRange(start, min(start + LINE, planned)) for start in range(0, planned, LINE)]


def ledger_of(planned: int, identity: Identity) -> Ledger:
    detectors = {"panda": Identity.TRIGGER_COUNTER, "cam": identity}
    return Ledger(planned, detectors, windows=lines(planned), spacing_ns=SPACING)


def identities(*, numbers=None, times=None, ids=None) -> FrameIdentities:
    return FrameIdentities(trigger_numbers=numbers, times_ns=times, unique_ids=ids)


class Camera:
    """What a camera makes of the triggers: exposures with ids, rows with their true frames."""

    def __init__(self, planned: int, *, lost=frozenset(), dropped=frozenset(), doubled=frozenset()) -> None:
        self.frames: list[int] = []
        self.ids: list[int] = []
        self.times: list[int] = []
        self.exposed = 0
        self.dropped = 0
        times = trigger_times(planned)
        for frame in range(planned):
            if frame in lost:
                continue
            for repeat in range(2 if frame in doubled else 1):
                self.exposed += 1
                if frame in dropped and not repeat:
                    self.dropped += 1
                    continue
                self.frames.append(frame)
                self.ids.append(self.exposed)
                self.times.append(int(times[frame]) + 3_000 + repeat * 200_000)

    def identities(self, rows: FrameRange) -> FrameIdentities:
        part = slice(rows.start, rows.stop)
        return identities(
            numbers=np.array(self.frames[part], dtype=np.int64) + 1,
            times=np.array(self.times[part], dtype=np.int64),
            ids=np.array(self.ids[part], dtype=np.int64),
        )

    def counts(self) -> DetectorCounts:
        return DetectorCounts(exposed=self.exposed, written=len(self.frames), dropped=self.dropped)


def capture(ledger: Ledger, frames: FrameRange) -> None:
    numbers = np.arange(frames.start, frames.stop, dtype=np.int64) + 1
    times = trigger_times(ledger.planned)[frames.start : frames.stop]
    ledger.add_triggers(numbers, times)
    ledger.add_rows("panda", frames, identities=identities(numbers=numbers, times=times))


def fly(ledger: Ledger, camera: Camera, cuts: list[int]) -> None:
    """Feed capture and camera in pieces that do not match each other."""
    planned, rows = ledger.planned, len(camera.frames)
    for cut in sorted({*cuts, 0}):
        frames = FrameRange(ledger.seen("panda"), max(ledger.seen("panda"), min(planned, cut * 2)))
        capture(ledger, frames)
        written = ledger._entry("cam").account.rows + len(ledger._entry("cam").held_times)
        new = FrameRange(written, max(written, min(rows, cut)))
        ledger.add_rows("cam", new, identities=camera.identities(new))
        ledger.advance()
    capture(ledger, FrameRange(ledger.seen("panda"), planned))
    written = ledger._entry("cam").account.rows + len(ledger._entry("cam").held_times)
    ledger.add_rows("cam", FrameRange(written, rows), identities=camera.identities(FrameRange(written, rows)))
    ledger.finish({"cam": camera.counts()})


frame_sets = st.frozensets(st.integers(0, 59), max_size=8)


@settings(max_examples=80, deadline=None)
@given(
    identity=st.sampled_from([Identity.TRIGGER_COUNTER, Identity.HARDWARE_TIME]),
    planned=st.integers(2, 60),
    lost=frame_sets,
    dropped=frame_sets,
    doubled=frame_sets,
    cuts=st.lists(st.integers(0, 70), max_size=6),
)
def test_the_lost_frames_are_named_exactly_and_every_frame_has_one_verdict(
    identity, planned, lost, dropped, doubled, cuts
):
    doubled = doubled - lost - dropped
    camera = Camera(planned, lost=lost, dropped=dropped, doubled=doubled)
    ledger = ledger_of(planned, identity)
    fly(ledger, camera, cuts)
    missing = {frame for frame in lost | dropped if frame < planned}
    verdicts = ledger.verdicts("cam")
    assert verdicts.complete
    assert set(ledger.missing("cam").indices()) == missing
    assert verdicts.counts()[Verdict.GOOD] + len(missing) == planned
    assert ledger.strays("cam") == len([frame for frame in doubled if frame < planned])
    assert ledger.advance().stop == planned


@settings(max_examples=60, deadline=None)
@given(
    planned=st.integers(2, 60),
    lost=frame_sets,
    doubled=frame_sets,
    cuts=st.lists(st.integers(0, 70), max_size=6),
)
def test_every_row_is_given_exactly_once_and_the_newest_row_of_a_frame_holds_it(planned, lost, doubled, cuts):
    camera = Camera(planned, lost=lost, doubled=doubled - lost)
    ledger = ledger_of(planned, Identity.HARDWARE_TIME)
    given_rows: list[int] = []
    newest: dict[int, int] = {}

    def take() -> None:
        ledger.advance()
        for run in ledger.take("cam"):
            assert run.rows.size == run.frames.size
            given_rows.extend(range(*run.rows))
            newest.update(zip(range(*run.frames), range(*run.rows), strict=True))

    for cut in sorted(cuts):
        capture(ledger, FrameRange(ledger.seen("panda"), max(ledger.seen("panda"), min(planned, cut))))
        written = ledger._entry("cam").account.rows + len(ledger._entry("cam").held_times)
        new = FrameRange(written, max(written, min(len(camera.frames), cut)))
        ledger.add_rows("cam", new, identities=camera.identities(new))
        take()
    fly(ledger, camera, [])
    take()
    assert given_rows == list(range(len(camera.frames)))
    assert {frame: camera.frames[row] for frame, row in newest.items() if frame < planned} == {
        frame: frame for frame in range(planned) if frame not in lost
    }


def test_reasons_tell_a_lost_trigger_from_a_dropped_frame():
    camera = Camera(40, lost={5}, dropped={17, 18})
    ledger = ledger_of(40, Identity.HARDWARE_TIME)
    fly(ledger, camera, [])
    reasons = {tuple(f.frames): f.reason for f in ledger.verdicts("cam").findings() if f.verdict is Verdict.MISSING}
    assert reasons[5, 6].startswith("lost trigger")
    assert reasons[17, 19].startswith("dropped after exposure")


@pytest.mark.parametrize(
    ("lost", "dropped", "word"), [({0}, set(), "lost trigger"), (set(), {39}, "dropped"), ({38, 39}, set(), "lost")]
)
def test_holes_at_the_ends_are_explained_by_the_detectors_own_counts(lost, dropped, word):
    camera = Camera(40, lost=lost, dropped=dropped)
    ledger = ledger_of(40, Identity.HARDWARE_TIME)
    fly(ledger, camera, [13])
    (finding,) = [f for f in ledger.verdicts("cam").findings() if f.verdict is Verdict.MISSING]
    assert finding.reason.startswith(word)


def test_a_frame_whose_trigger_was_never_fired_says_so():
    camera = Camera(20)
    ledger = ledger_of(30, Identity.HARDWARE_TIME)
    capture(ledger, FrameRange(0, 20))
    ledger.add_rows("cam", FrameRange(0, 20), identities=camera.identities(FrameRange(0, 20)))
    ledger.finish({"cam": camera.counts()})
    assert ledger.missing("cam") == RangeSet([FrameRange(20, 30)])
    assert ledger.verdicts("cam").of(25).reason.startswith("not triggered")
    assert ledger.summary()["cam"]["triggered"] == 20


def test_contiguous_ids_after_a_missed_trigger_with_jittered_stamps_give_an_interval_not_a_name():
    camera = Camera(40, lost={23})
    jitter = np.random.default_rng(7).integers(0, 20_000_000, len(camera.times))
    camera.times = (np.array(camera.times) + jitter).tolist()
    ledger = ledger_of(40, Identity.SOFTWARE_TIME)
    fly(ledger, camera, [12, 25])
    unknown = [f for f in ledger.verdicts("cam").findings() if f.verdict is Verdict.UNKNOWN]
    assert [(f.frames, f.count) for f in unknown] == [(FrameRange(20, 30), 1)]
    assert ledger.missing("cam") == RangeSet()
    assert ledger.lost("cam") == 1


def test_a_count_that_agrees_is_good_and_one_that_does_not_is_unknown():
    for lost, verdict, count in ((set(), Verdict.GOOD, 40), ({3, 30}, Verdict.UNKNOWN, 2)):
        camera = Camera(40, lost=lost)
        ledger = ledger_of(40, Identity.COUNT_ONLY)
        fly(ledger, camera, [])
        assert [(f.frames, f.verdict, f.count) for f in ledger.verdicts("cam").findings()] == [
            (FrameRange(0, 40), verdict, count)
        ]


@pytest.mark.parametrize("offset_ns", [600_000, 950_000, 1_000_000, 3_000_000, -700_000])
def test_a_clock_that_is_off_gives_intervals_and_never_a_wrong_name(offset_ns):
    camera = Camera(40)
    camera.times = [time + offset_ns for time in camera.times]
    ledger = ledger_of(40, Identity.HARDWARE_TIME)
    fly(ledger, camera, [15, 30])
    assert ledger.missing("cam") == RangeSet()
    unknown = [f for f in ledger.verdicts("cam").findings() if f.verdict is Verdict.UNKNOWN]
    assert [f.frames for f in unknown] == lines(40)
    assert "clock" in unknown[0].reason


def test_a_stray_row_in_a_turnaround_does_not_blur_what_is_lost_elsewhere():
    camera = Camera(40, lost={5})
    where = camera.frames.index(29) + 1
    for values, value in ((camera.frames, -1), (camera.ids, 0), (camera.times, camera.times[where - 1] + 40_000_000)):
        values.insert(where, value)
    camera.ids = list(range(1, len(camera.frames) + 1))
    ledger = ledger_of(40, Identity.HARDWARE_TIME)
    fly(ledger, camera, [])
    assert list(ledger.missing("cam").indices()) == [5]
    assert ledger.strays("cam") == 1


def test_a_lost_capture_sample_is_missing_in_the_capture_and_not_in_the_camera():
    camera = Camera(20)
    ledger = ledger_of(20, Identity.HARDWARE_TIME)
    kept = np.array([n for n in range(20) if n != 4], dtype=np.int64)
    times = trigger_times(20)[kept]
    ledger.add_triggers(kept + 1, times)
    ledger.add_rows("panda", FrameRange(0, 19), identities=identities(numbers=kept + 1, times=times))
    ledger.add_rows("cam", FrameRange(0, 20), identities=camera.identities(FrameRange(0, 20)))
    ledger.finish({"cam": camera.counts()})
    assert ledger.missing("panda") == RangeSet([FrameRange(4, 5)])
    assert ledger.missing("cam") == RangeSet()


def test_rows_wait_until_the_trigger_of_their_time_is_known():
    camera = Camera(20)
    ledger = ledger_of(20, Identity.HARDWARE_TIME)
    ledger.add_rows("cam", FrameRange(0, 8), identities=camera.identities(FrameRange(0, 8)))
    assert ledger.advance().empty
    capture(ledger, FrameRange(0, 5))
    assert ledger.advance() == FrameRange(0, 5)


def test_rows_that_leave_a_hole_or_lack_their_identity_are_refused():
    ledger = ledger_of(20, Identity.HARDWARE_TIME)
    with pytest.raises(LedgerError, match="must go on at 0"):
        ledger.add_rows("cam", FrameRange(1, 2), identities=Camera(20).identities(FrameRange(1, 2)))
    with pytest.raises(LedgerError, match="hardware_time"):
        ledger.add_rows("cam", FrameRange(0, 2), identities=identities(numbers=np.array([1, 2])))
    with pytest.raises(LedgerError, match="not one of"):
        ledger.missing("eiger")


def test_an_account_of_a_clean_flight_does_not_grow_with_its_frames():
    camera = Camera(60)
    ledger = ledger_of(60, Identity.HARDWARE_TIME)
    fly(ledger, camera, list(range(60)))
    assert len(ledger._entry("cam").account.runs) == 1
