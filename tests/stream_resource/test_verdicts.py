"""Verdicts judge every frame at most once, and survive as a document."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import VerdictError
from wingbeat.stream_resource.frames import FrameRange, RangeSet
from wingbeat.stream_resource.verdicts import Finding, Verdict, Verdicts

PUTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 8), st.sampled_from(Verdict), st.sampled_from(["", "late"])),
    max_size=25,
)


@settings(max_examples=150)
@given(PUTS)
def test_any_order_of_verdicts_gives_what_a_dict_per_frame_gives(puts):
    verdicts, naive = Verdicts(40), {}
    for start, size, verdict, reason in puts:
        frames = FrameRange(start, start + size)
        refused = frames.stop > 40 or any(i in naive for i in range(*frames))
        if refused:
            with pytest.raises(VerdictError):
                verdicts.put(frames, verdict, reason=reason)
            continue
        verdicts.put(frames, verdict, reason=reason)
        naive.update(dict.fromkeys(range(*frames), (verdict, reason)))
    assert {i: (f.verdict, f.reason) for i in range(40) if (f := verdicts.of(i))} == naive
    assert set(verdicts.judged.indices()) == set(naive)
    assert set(verdicts.missing.indices()) == {i for i, (v, _) in naive.items() if v is Verdict.MISSING}
    assert verdicts.counts() == {v: sum(v is w for w, _ in naive.values()) for v in Verdict}
    assert verdicts.complete is (len(naive) == 40)
    assert Verdicts.from_document(json.loads(json.dumps(verdicts.to_document()))) == verdicts


def test_neighbours_merge_but_an_unknown_stays_as_narrow_as_it_is_known():
    verdicts = Verdicts(20)
    verdicts.put(FrameRange(5, 10), Verdict.GOOD)
    verdicts.put(FrameRange(0, 5), Verdict.GOOD)
    verdicts.put(FrameRange(10, 15), Verdict.UNKNOWN, count=1, reason="one lost")
    verdicts.put(FrameRange(15, 20), Verdict.UNKNOWN, count=2, reason="one lost")
    assert verdicts.findings() == (
        Finding(FrameRange(0, 10), Verdict.GOOD, "", 10),
        Finding(FrameRange(10, 15), Verdict.UNKNOWN, "one lost", 1),
        Finding(FrameRange(15, 20), Verdict.UNKNOWN, "one lost", 2),
    )
    assert verdicts.counts()[Verdict.UNKNOWN] == 3
    assert verdicts.complete
    assert verdicts.missing == RangeSet()


@pytest.mark.parametrize(
    ("verdict", "count"), [(Verdict.MISSING, 1), (Verdict.UNKNOWN, 0), (Verdict.UNKNOWN, 6), (Verdict.GOOD, 6)]
)
def test_a_count_that_does_not_fit_is_refused(verdict, count):
    with pytest.raises(VerdictError, match=f"frames 0:5 counts {count}: expected 5"):
        Verdicts(10).put(FrameRange(0, 5), verdict, count=count)


def test_an_overlap_names_both_verdicts():
    verdicts = Verdicts(10)
    verdicts.put(FrameRange(2, 6), Verdict.GOOD)
    with pytest.raises(VerdictError, match="verdict missing on frames 5:7: frames 2:6 were judged good before"):
        verdicts.put(FrameRange(5, 7), Verdict.MISSING)


def test_keys_of_the_document_have_no_dots():
    verdicts = Verdicts(3)
    verdicts.put(FrameRange(0, 3), Verdict.BLIND, reason="a.b")
    doc = verdicts.to_document()
    keys = {*doc, *(key for row in doc["findings"] for key in row)}
    assert not any("." in key for key in keys)


@pytest.mark.parametrize(
    "doc",
    [
        {},
        {"planned": 3},
        {"planned": 3, "findings": [{"start": 0}]},
        {"planned": 3, "findings": [{"start": 0, "stop": 1, "verdict": "odd", "reason": "", "count": 1}]},
        {"planned": 3, "findings": [{"start": 0, "stop": 4, "verdict": "good", "reason": "", "count": 4}]},
    ],
)
def test_a_document_that_holds_no_verdicts_is_refused(doc):
    with pytest.raises(VerdictError):
        Verdicts.from_document(doc)


def test_all_six_verdicts_survive_as_a_document():
    verdicts = Verdicts(12)
    for n, verdict in enumerate(Verdict):
        frames = FrameRange(2 * n, 2 * n + 2)
        verdicts.put(frames, verdict, reason=f"why {n}", count=1 if verdict is Verdict.UNKNOWN else None)
    doc = json.loads(json.dumps(verdicts.to_document()))
    rows = [(row["start"], row["stop"], row["verdict"], row["count"], row["reason"]) for row in doc["findings"]]
    assert rows == [
        (0, 2, "good", 2, "why 0"),
        (2, 4, "missing", 2, "why 1"),
        (4, 6, "duplicate", 2, "why 2"),
        (6, 8, "redone", 2, "why 3"),
        (8, 10, "blind", 2, "why 4"),
        (10, 12, "unknown", 1, "why 5"),
    ]
    assert Verdicts.from_document(doc) == verdicts
    assert verdicts.complete
