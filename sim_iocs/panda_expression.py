"""The function of a LUT, as clients write it: an expression in A to E, or the 32 bits of its table.

Theory of operation. Every variable is the 32-bit column that it has in the table of all inputs (A is the highest bit
of the index, E the lowest), so evaluating the expression once with bitwise operators gives the whole table. Operators,
from the tightest: ~ (not), & (and), ^ (exclusive or), | (or), => (implies), = (the same), c ? x : y. 0 and 1 are
constants; any other number has to be written as hexadecimal and is the table itself.
"""

import re

from .errors import RefusedPutError

_ALL = 0xFFFFFFFF
_COLUMNS = {"A": 0xFFFF0000, "B": 0xFF00FF00, "C": 0xF0F0F0F0, "D": 0xCCCCCCCC, "E": 0xAAAAAAAA}
_CONSTANTS = {"0": 0, "1": _ALL}
_TOKEN = re.compile(r"\s*(0[xX][0-9a-fA-F]+|=>|[A-Ea-e01~&^|=?:()])")
_LEVELS = ("=", "=>", "|", "^", "&")


def lut_function(text: str) -> int:
    """The table of an expression, bit n for index n.

    >>> hex(lut_function("A&B|C&~D"))
    '0xff303030'

    Raises:
        RefusedPutError: it is no expression.
    """
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", text.strip()):
        return int(text, 16)
    return _Parser(text).table()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, list[str]()
        position, end = 0, len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                raise self._wrong(f"{text[position:]!r} is no part of an expression")
            self._tokens.append(found[1])
            position = found.end()

    def table(self) -> int:
        value = self._choice()
        if self._tokens:
            raise self._wrong(f"{self._tokens[0]!r} is not expected after a whole expression")
        return value & _ALL

    def _choice(self) -> int:
        condition = self._binary(0)
        if not self._take("?"):
            return condition
        yes = self._choice()
        if not self._take(":"):
            raise self._wrong("'?' needs a ':' after its first choice")
        return condition & yes | ~condition & self._choice()

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        operator, left = _LEVELS[level], self._binary(level + 1)
        while self._take(operator):
            right = self._binary(level + 1)
            match operator:
                case "=":
                    left = ~(left ^ right)
                case "=>":
                    left = ~left | right
                case "|":
                    left |= right
                case "^":
                    left ^= right
                case _:
                    left &= right
        return left

    def _unary(self) -> int:
        if self._take("~"):
            return ~self._unary()
        if self._take("("):
            value = self._choice()
            if not self._take(")"):
                raise self._wrong("a '(' is not closed")
            return value
        token = self._tokens.pop(0).upper() if self._tokens else ""
        if token in _COLUMNS or token in _CONSTANTS:
            return (_COLUMNS | _CONSTANTS)[token]
        raise self._wrong(f"expected an input A to E, 0, 1 or '(', seen {token or 'the end'!r}")

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _wrong(self, why: str) -> RefusedPutError:
        return RefusedPutError(f"LUT function {self._text!r}: {why}")
