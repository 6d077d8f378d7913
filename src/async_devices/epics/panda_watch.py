"""PandaWatch: what goes wrong in a PandA while it captures, said as it happens.

A PandA that loses triggers or rows says so once, in one field, and goes on. While a file is open these are watched:

| field | is wrong when |
|---|---|
| HEALTH of each block | it turns from OK to anything but "Not ready for table", as a SEQ is between two tables |
| PULSE.DROPPED | it grows: a pulse was not made |
| DATA.MISSED, where it is served | it grows: rows were gone before the writer was there |
| DATA.STATUS, DATA.END_REASON | it tells of an overrun or an error, or that a capture has ended that nobody ended |
| PCAP.ACTIVE | it falls although nobody here disarmed it and PCAP.ENABLE is ONE |

What was wrong before the watch began is history: a field counts by its changes. The first fault is kept and raised by
whoever asks; the watch then ends.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from ...task_scope import task_scope
from .errors import CaptureOverrunError, PandaDisarmedError, PandaFaultError
from .panda_tree import PandaTree

HARMLESS = ("OK", "Not ready for table")
ENDED = ("overrun", "error", "mismatch", "exception", "disconnect", "waiting for next", "framing")
"""Words in a status or an end reason that tell of lost rows."""


def health_fault(label: str, before: str, now: str) -> PandaFaultError | None:
    """What a change of a HEALTH field means.

    Examples:
        >>> health_fault("PCAP.HEALTH", "OK", "OK") is None
        True
        >>> print(health_fault("PCAP.HEALTH", "OK", "Too close"))
        PCAP.HEALTH went from 'OK' to 'Too close': what it did since cannot be trusted
    """
    if now in HARMLESS or now == before:
        return None
    return PandaFaultError(f"{label} went from {before!r} to {now!r}: what it did since cannot be trusted")


def loss_fault(label: str, before: int, now: int) -> PandaFaultError | None:
    """What a change of a counter of losses means.

    Examples:
        >>> print(loss_fault("PULSE1.DROPPED", 0, 2))
        PULSE1.DROPPED went from 0 to 2: triggers or rows were lost
    """
    return PandaFaultError(f"{label} went from {before} to {now}: triggers or rows were lost") if now > before else None


def ended_fault(label: str, before: str, now: str) -> CaptureOverrunError | None:
    """What a change of a status or an end reason means.

    Examples:
        >>> ended_fault("DATA.STATUS", "idle", "capturing") is None
        True
        >>> print(ended_fault("DATA.END_REASON", "", "Data overrun"))
        DATA.END_REASON says 'Data overrun': rows after it are lost
    """
    if now == before or not any(word in now.lower() for word in ENDED):
        return None
    return CaptureOverrunError(f"{label} says {now!r}: rows after it are lost")


Check = Callable[[str, Any, Any], PandaFaultError | None]


class PandaWatch:
    """Watches one PandA while it captures."""

    def __init__(self, panda: PandaTree, *, armed: Callable[[], bool]) -> None:
        """Watch `panda`; `armed` says whether this client wants PCAP to be armed."""
        self._panda = panda
        self._armed = armed
        self.fault: PandaFaultError | None = None

    async def run(self) -> None:
        """Watch until something is wrong.

        Raises:
            PandaFaultError: Naming the PandA, the field, and what it shows.
        """
        try:
            async with task_scope() as group:
                for work in self._works():
                    group.create_task(work)
        except PandaFaultError as error:
            self.fault = type(error)(f"{self._panda.name}: {error}")
            raise self.fault from None

    def _works(self) -> list[Coroutine[Any, Any, None]]:
        works: list[Coroutine[Any, Any, None]] = [self._watch_active()]
        for block in self._panda.blocks.values():
            checks: dict[str, Check] = {"health": health_fault}
            if block.label.startswith(("PULSE", "DATA")):
                checks |= {"dropped": loss_fault, "missed": loss_fault}
            if block.label == "DATA":
                checks |= {"status": self._ended, "end_reason": self._ended}
            served = ((field, check) for field, check in checks.items() if field in block)
            works += [
                _watch(block[field].observe(), f"{block.label}.{field.upper()}", check) for field, check in served
            ]
        return works

    def _ended(self, label: str, before: str, now: str) -> CaptureOverrunError | None:
        return ended_fault(label, before, now) if self._armed() else None

    async def _watch_active(self) -> None:
        pcap = self._panda.pcap
        was = False
        async for active in pcap.active.observe():
            if was and not active and self._armed() and await self._always_enabled():
                msg = "PCAP was disarmed, and not by this client; rows after that are missing. Who else uses it?"
                raise PandaDisarmedError(msg)
            was = active

    async def _always_enabled(self) -> bool:
        pcap = self._panda.pcap
        return "enable" not in pcap or await pcap.enable.get_value() == "ONE"


async def _watch(values: AsyncIterator[Any], label: str, check: Check) -> None:
    before: Any = None
    async for now in values:
        fault = check(label, before, now) if before is not None else None
        if fault is not None:
            raise fault
        before = now
