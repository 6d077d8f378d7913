"""What was written comes back, a torn tail is found, and damage in the middle is never taken for one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import CorruptJournalError
from wingbeat.stream_resource.journal import (
    HEADER_NBYTES,
    MAGIC,
    JournalRecord,
    decode_records,
    encode_record,
    segment_name,
)

BODIES = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=40)), max_size=8)


def segment(bodies, first=7):
    records = [JournalRecord(first + i, name, payload) for i, (name, payload) in enumerate(bodies)]
    return records, [encode_record(record) for record in records]


@settings(max_examples=60)
@given(BODIES)
def test_what_was_written_comes_back(bodies):
    records, parts = segment(bodies)
    buffer = MAGIC + b"".join(parts)
    assert decode_records(buffer) == (records, len(buffer), False)


@settings(max_examples=100)
@given(BODIES, st.data())
def test_a_cut_anywhere_leaves_the_whole_records_before_it(bodies, data):
    records, parts = segment(bodies)
    buffer = MAGIC + b"".join(parts)
    cut = data.draw(st.integers(0, len(buffer)))
    decoded = decode_records(buffer[:cut])
    ends = [len(MAGIC) + sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    whole = sum(end <= cut for end in ends)
    assert decoded.records == records[:whole]
    assert decoded.consumed == (0 if cut < len(MAGIC) else [len(MAGIC), *ends][whole])
    assert decoded.torn is (cut > decoded.consumed)
    # The rest is decoded from where the first call stopped, both in the whole buffer and in what follows.
    later = decode_records(buffer, offset=decoded.consumed)
    assert later == (records[whole:], len(buffer), False)
    assert decode_records(buffer[decoded.consumed :]).records == records[whole:]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=40)), min_size=2, max_size=6), st.data())
def test_a_damaged_byte_in_the_middle_is_corrupt_wherever_it_is(bodies, data):
    records, parts = segment(bodies)
    buffer = bytearray(MAGIC + b"".join(parts))
    at = data.draw(st.integers(len(MAGIC), len(buffer) - len(parts[-1]) - 1))
    buffer[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptJournalError, match="Restore the segment"):
        decode_records(bytes(buffer))
    # What precedes the damage can still be had.
    before = sum(len(MAGIC) + sum(map(len, parts[: n + 1])) <= at for n in range(len(parts)))
    end = len(MAGIC) + sum(map(len, parts[:before]))
    assert decode_records(bytes(buffer[:end])).records == records[:before]


def test_a_damaged_length_is_not_taken_for_a_torn_tail():
    _, parts = segment([("start", b"{}"), ("stop", b"{}")])
    damaged = bytearray(MAGIC + b"".join(parts))
    damaged[len(MAGIC) + 3] = 0x7F
    with pytest.raises(CorruptJournalError, match="damaged at byte 8: the record header fails its checksum"):
        decode_records(bytes(damaged))


@pytest.mark.parametrize("kept", [0, 5, HEADER_NBYTES, HEADER_NBYTES + 3])
def test_zeros_that_a_power_cut_left_are_a_torn_tail(kept):
    records, parts = segment([("start", b"{}"), ("event", b"12345678")])
    whole = MAGIC + parts[0]
    tail = parts[1][:kept] + bytes(len(parts[1]) - kept + (100 if kept in (0, HEADER_NBYTES) else 0))
    if kept == 5:  # a header of which only the beginning was stored is no header
        with pytest.raises(CorruptJournalError):
            decode_records(whole + tail)
        return
    assert decode_records(whole + tail) == (records[:1], len(whole), True)


def test_a_last_record_whose_body_is_not_what_was_written_is_torn():
    records, parts = segment([("start", b"{}"), ("event", b"12345678")])
    buffer = MAGIC + parts[0] + parts[1][:-2] + b"xx"
    assert decode_records(buffer) == (records[:1], len(MAGIC + parts[0]), True)


def test_a_step_in_the_sequence_is_corrupt():
    buffer = MAGIC + b"".join(encode_record(JournalRecord(n, "event", b"{}")) for n in (3, 5))
    with pytest.raises(CorruptJournalError, match="expected sequence number 4, seen 5"):
        decode_records(buffer)


def test_bytes_that_are_no_journal_are_refused():
    with pytest.raises(CorruptJournalError):
        decode_records(b"\x89HDF\r\n\x1a\n" + bytes(range(100)))


def test_what_could_not_be_read_back_is_not_encoded():
    with pytest.raises(CorruptJournalError, match="does not fit a journal record"):
        encode_record(JournalRecord(0, "x" * 256, b""))


def test_segment_names_sort_as_their_numbers():
    names = [segment_name(n) for n in (9, 10, 10**9)]
    assert names == sorted(names)
    assert names[0] == "0000000000000009.wbj"


def kept(buffer):
    """What can be had of a damaged segment, and where the damage begins if it is more than a torn tail."""
    try:
        return decode_records(buffer), None
    except CorruptJournalError as error:
        return decode_records(buffer[: error.offset]), error.offset


@settings(max_examples=300)
@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=40)), min_size=1, max_size=6), st.data())
def test_any_damaged_byte_is_noticed_and_all_before_it_is_kept(bodies, data):
    records, parts = segment(bodies)
    buffer = bytearray(MAGIC + b"".join(parts))
    at = data.draw(st.integers(0, len(buffer) - 1))
    buffer[at] ^= data.draw(st.integers(1, 255))
    whole = sum(len(MAGIC) + sum(map(len, parts[: n + 1])) <= at for n in range(len(parts)))
    end = 0 if at < len(MAGIC) else len(MAGIC) + sum(map(len, parts[:whole]))
    decoded, damage = kept(bytes(buffer))
    assert damage in (None, end)
    assert decoded.torn is (damage is None)
    assert (decoded.records, decoded.consumed) == (records[:whole], end)


@settings(max_examples=100)
@given(BODIES, st.lists(st.integers(0, 400), max_size=6))
def test_a_cursor_that_follows_a_growing_segment_sees_every_record_once(bodies, lengths):
    records, parts = segment(bodies)
    buffer, seen, offset, expected = MAGIC + b"".join(parts), [], 0, 7
    for length in [*sorted(lengths), len(buffer)]:
        decoded = decode_records(buffer[:length], offset=min(offset, length), expected=expected)
        seen, offset, expected = seen + decoded.records, decoded.consumed, decoded.next_sequence or expected
    assert (seen, offset, expected) == (records, len(buffer), 7 + len(records))


def test_a_cursor_that_is_given_another_place_of_the_journal_says_so():
    _, parts = segment([("start", b"{}"), ("event", b"{}"), ("stop", b"{}")])
    with pytest.raises(CorruptJournalError, match="expected sequence number 8, seen 9"):
        decode_records(MAGIC + parts[0] + parts[2], offset=len(MAGIC) + len(parts[0]), expected=8)
