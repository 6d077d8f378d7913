"""The function of a LUT: an expression means what it means in arithmetic, for all 32 inputs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.errors import RefusedPutError
from wingbeat.sim_iocs.panda_expression import lut_function

Pair = tuple[str, str]
"""The same for the LUT and for Python."""

LEAVES = st.sampled_from([(name, name.upper() if name.isalpha() else f"-{name}") for name in "ABCDE01ae"])


def deeper(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def binary(a: Pair, operator: str, b: Pair) -> Pair:
        return f"({a[0]}{operator}{b[0]})", f"({a[1]}{operator}{b[1]})"

    def choice(c: Pair, x: Pair, y: Pair) -> Pair:
        return f" ( {c[0]} ? {x[0]} : {y[0]} ) ", f"(({x[1]}) if ({c[1]}) & 1 else ({y[1]}))"

    both = st.builds(binary, inner, st.sampled_from("&|^"), inner) | st.builds(choice, inner, inner, inner)
    return both | inner.map(lambda pair: (f"~{pair[0]}", f"~({pair[1]})"))


@given(pair=st.recursive(LEAVES, deeper, max_leaves=12))
def test_an_expression_is_what_it_is_in_python(pair: Pair) -> None:
    code = compile(pair[1], "expression", "eval")
    expected = 0
    for index in range(32):
        inputs = {name: -(index >> 4 - n & 1) for n, name in enumerate("ABCDE")}
        expected |= (eval(code, {}, inputs) & 1) << index
    assert lut_function(pair[0]) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("A", "0xffff0000"),
        ("E", "0xaaaaaaaa"),
        ("A&B&C&D&E", "0x80000000"),
        ("~A&~B&~C&~D&~E", "0x1"),
        ("A&B|C&~D", "0xFF303030"),
        ("A|B&C", "A|(B&C)"),
        ("A^B&C", "A^(B&C)"),
        ("A|B^C", "A|(B^C)"),
        ("A=>B", "~A|B"),
        ("A=B", "~(A^B)"),
        ("A?B:C", "A&B|~A&C"),
        ("A=>B=C", "(A=>B)=C"),
        ("1", "0xFFFFFFFF"),
        ("0", "0x0"),
    ],
)
def test_operators_bind_as_documented(text: str, same: str) -> None:
    assert lut_function(text) == lut_function(same)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the end"),
        ("A&", "the end"),
        ("F", "no part of an expression"),
        ("A B", "not expected"),
        ("(A", "not closed"),
        ("A?B", "':'"),
        ("0x123456789", "expected an input"),
        ("2", "no part"),
    ],
)
def test_what_is_no_expression_is_refused_and_says_why(text: str, why: str) -> None:
    with pytest.raises(RefusedPutError, match=why):
        lut_function(text)
