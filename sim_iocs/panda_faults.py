"""What can be made to go wrong with a PandA, as switches: at rows, counted from 1 since PCAP was armed, and lines.

| switch | what happens |
|---|---|
| PandaOverrunAt | the data port finds no place for this row: it and what follows is lost, "Data overrun" |
| PandaDisconnectAt | the data connection is lost at this row, "Early disconnect" |
| PandaTornRow | ... in the middle of that row: part of its columns are in the file |
| PandaDisarmAt | PCAP is disarmed by somebody else after this row, "Disarmed" |
| TableUnderrun | this line of a sequencer, since its ENABLE rose, does not come in time: HEALTH DMA underrun |
| EncoderLoss | this encoder input loses its signal: its value stands, CONN falls, HEALTH 1; empty: it is back |
| EncoderLossAt | ... after this row, and not at once |
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .errors import RefusedPutError
from .faults import Switch
from .panda_encoder import InputEncoder
from .panda_model import PandaModel
from .panda_pcap import DISARMED
from .panda_port import DataPort
from .panda_seq import Sequencer
from .pv import Kind


class PandaFaults:
    """The switches of one PandA.

    Args:
        model: The machine.
        port: Its data port.
        settle: Brings the model to the present.
    """

    def __init__(self, model: PandaModel, port: DataPort, *, settle: Callable[[], None]) -> None:
        self._model, self._port, self._settle = model, port, settle
        self._disarm_at = self._lose_at = 0
        self._lost = ""

    def switches(self) -> Iterator[Switch]:
        """One for each fault."""
        faults = self._port.faults
        yield _number("PandaOverrunAt", partial(setattr, faults, "overrun_at"))
        yield _number("PandaDisconnectAt", partial(setattr, faults, "disconnect_at"))
        torn = partial(_set_flag, partial(setattr, faults, "torn"))
        yield Switch(name="PandaTornRow", kind=Kind.ENUM, default=0, apply=torn)
        yield _number("PandaDisarmAt", self._set_disarm)
        yield _number("TableUnderrun", self._set_underrun)
        yield Switch(name="EncoderLoss", kind=Kind.STRING, default="", apply=self._set_lost)
        yield _number("EncoderLossAt", self._set_lose_at)

    def _set_disarm(self, row: int) -> None:
        self._disarm_at = row
        self._set_traps()

    def _set_lose_at(self, row: int) -> None:
        self._lose_at = row
        self._lose(self._lost)

    def _set_lost(self, name: str) -> None:
        encoders = [key for key, block in self._model.blocks.items() if isinstance(block, InputEncoder)]
        if name and name not in encoders:
            raise RefusedPutError(f"EncoderLoss: there is no encoder input {name!r}; there are {', '.join(encoders)}")
        self._lose(name)

    def _lose(self, name: str) -> None:
        """Everything but `name` is there, and `name` until its row comes."""
        self._settle()
        self._lost = name
        for key, block in self._model.blocks.items():
            if isinstance(block, InputEncoder):
                self._model.configure(key, lost=int(key == name and not self._lose_at))
        self._set_traps()

    def _set_underrun(self, line: int) -> None:
        self._settle()
        for name, block in self._model.blocks.items():
            if isinstance(block, Sequencer):
                self._model.configure(name, underrun_at=line)

    def _set_traps(self) -> None:
        traps: dict[int, list[Callable[[int], None]]] = {}
        if self._disarm_at:
            traps.setdefault(self._disarm_at, []).append(lambda _: self._model.pcap.end(DISARMED))
        if self._lose_at and self._lost:
            traps.setdefault(self._lose_at, []).append(self._lose_now)
        self._settle()
        self._model.set_traps(traps)

    def _lose_now(self, tick: int) -> None:
        encoder = self._model.encoder(self._lost)
        encoder.lost = 1
        self._model.fabric.alarm(encoder, tick + 1)


def _number(name: str, apply: Callable[[int], None]) -> Switch:
    return Switch(name=name, kind=Kind.INT, default=0, apply=partial(_set_number, name, apply))


def _set_number(name: str, apply: Callable[[int], None], value: Any) -> None:
    if int(value) < 0:
        raise RefusedPutError(f"{name}: expected 0 (never) or a number from 1 on, seen {value}")
    apply(int(value))


def _set_flag(apply: Callable[[bool], None], value: Any) -> None:
    apply(bool(value))
