import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wingbeat.async_devices.datatypes import Served, converter_for, served_for
from wingbeat.async_devices.errors import DatatypeError, ValueRefusedError
from wingbeat.async_devices.testing import FourStates, OneState, OtherStates, ThreeStates

CHARACTERS = Served(kind="array", dtype=np.dtype(np.uint8), capacity=256)
STATES = Served(kind="enum", choices=("Idle", "Busy", "Fault"))


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_text_survives_the_way_through_an_array_of_characters(text):
    converter = converter_for(str, CHARACTERS, "pv")
    wire = converter.to_wire(text)
    assert wire[-1] == 0
    assert converter.from_wire(wire) == text
    assert converter.from_wire(wire.astype(np.int8)) == text, "QSRV serves them signed"


def test_a_shorter_text_hides_what_is_left_of_a_longer_one():
    wire = np.frombuffer(b"new\0older tail", np.uint8)
    assert converter_for(str, CHARACTERS, "pv").from_wire(wire) == "new"


@given(nbytes=st.integers(0, 300))
def test_text_is_written_whole_or_not_at_all(nbytes):
    to_wire = converter_for(str, CHARACTERS, "pv").to_wire
    if nbytes < 256:
        assert len(to_wire("x" * nbytes)) == nbytes + 1
    else:
        with pytest.raises(ValueRefusedError, match=f"{nbytes} bytes where 255 fit"):
            to_wire("x" * nbytes)


@pytest.mark.parametrize(
    ("datatype", "served", "fits"),
    [
        (ThreeStates, STATES, True),
        (OneState, STATES, True),
        (FourStates, STATES, True),
        (OtherStates, STATES, False),
        (FourStates, Served(kind="enum", choices=("Idle", "Elsewhere")), False),
        (OneState, Served(kind="enum", choices=("Busy",)), False),
        (bool, Served(kind="enum", choices=("No", "Yes")), True),
        (bool, STATES, False),
        (int, Served(kind="float", precision=0), True),
        (int, Served(kind="float", precision=3), False),
        (float, Served(kind="int"), True),
        (float, Served(kind="str"), False),
        (str, STATES, True),
        (str, Served(kind="float"), False),
        (NDArray[np.float64], Served(kind="array", dtype=np.dtype("f8")), True),
        (NDArray[np.int32], Served(kind="array", dtype=np.dtype("f8")), False),
        (list[str], Served(kind="strings"), True),
        (dict, Served(kind="table"), True),
    ],
)
def test_a_datatype_fits_what_is_served_or_both_are_named(datatype, served, fits):
    if fits:
        converter_for(datatype, served, "ca://PV")
        return
    with pytest.raises(DatatypeError, match=r"ca://PV: expected .*, served .+"):
        converter_for(datatype, served, "ca://PV")


def test_values_that_do_not_fit_the_servers_integers_are_refused():
    to_wire = converter_for(NDArray[np.int64], Served(kind="array", dtype=np.dtype("i2")), "pv").to_wire
    assert to_wire([1, -5]).dtype == np.int16
    with pytest.raises(ValueRefusedError, match=r"do not fit in int16 \(1 to 70000\)"):
        to_wire([1, 70_000])


def test_a_value_that_is_no_choice_of_ours_reads_as_text():
    converter = converter_for(OneState, STATES, "pv")
    assert converter.from_wire(0) is OneState.IDLE
    assert converter.from_wire(1) == "Busy"
    assert converter.from_wire(7) == "7", "a server may give an index beyond its own choices"


@given(st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False), st.booleans(), st.text(max_size=20)))
def test_a_soft_value_survives_the_way_through_its_converter(value):
    converter = converter_for(type(value), served_for(type(value)), "soft://x")
    assert converter.from_wire(converter.to_wire(value)) == value
