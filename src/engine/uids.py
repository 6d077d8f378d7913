"""Random uids by the hundred: asking the kernel for randomness costs more than making an event."""

from .documents import new_uids

DRAWN = 64
"""How many are drawn at once."""


class Uids:
    """A supply of fresh uids. It belongs to one run, so that a process that is forked off draws its own."""

    def __init__(self) -> None:
        self._supply: list[str] = []

    def draw(self) -> str:
        """Give one that was never given before."""
        if not self._supply:
            self._supply = new_uids(DRAWN)
        return self._supply.pop()
