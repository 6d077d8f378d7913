"""How PV Access shows a PV: a p4p SharedPV whose puts go to the SimPV."""

import time
from typing import Any, cast

import caproto
import numpy as np
from p4p import Value
from p4p.nt import NTEnum, NTScalar
from p4p.server import ServerOperation
from p4p.server.asyncio import SharedPV

from .errors import RefusedPutError
from .pace import Pace
from .pv import Kind, SimPV
from .record import COMPLETION
from .text_buffer import TextBuffer

PVA_CODES = {
    Kind.FLOAT: "d",
    Kind.INT: "i",
    Kind.SHORT: "h",
    Kind.STRING: "s",
    Kind.TEXT: "s",
    Kind.FLOATS: "ad",
    Kind.INTS: "ai",
}
# PV Access tells where an alarm comes from; in a record (3) there are more kinds, told by name.
RECORD_ALARM = 3
ALARMS = ("", *(status.name for status in list(caproto.AlarmStatus)[1:]))


class PvaFace:
    """The PV Access face of a PV; made in the running loop.

    Args:
        pv: What is shown.
        pace: How puts are served.
        texts_are_bytes: Show texts as EPICS' own server does.

    Attributes:
        shared: What p4p serves.
    """

    def __init__(self, pv: SimPV, *, pace: Pace, texts_are_bytes: bool = False) -> None:
        self._pv = pv
        as_bytes = texts_are_bytes and pv.kind is Kind.TEXT
        self._buffer = TextBuffer(pv.value, length=pv.meta.length) if as_bytes else None
        meta, first = pv.meta, {"value": self._shown(pv.value), **_stamp()}
        if pv.kind is Kind.ENUM:
            self._type = NTEnum.buildType()
            first["value"] = {"index": int(pv.value), "choices": list(meta.choices)}
        elif as_bytes:
            self._type = NTScalar.buildType("ab", display=True, form=True)
            first["display"] = {"form": {"index": 1, "choices": ["Default", "String"]}}
        else:
            numeric = pv.kind not in (Kind.STRING, Kind.TEXT)
            self._type = NTScalar.buildType(PVA_CODES[pv.kind], display=True, control=numeric, form=numeric)
            first["display"] = {"units": meta.units} | ({"precision": meta.precision} if numeric else {})
            if numeric and meta.limits is not None:
                low, high = meta.limits
                first["display"] |= {"limitLow": low, "limitHigh": high}
                first["control"] = {"limitLow": low, "limitHigh": high}
        self.shared = SharedPV(handler=_PutHandler(pv, pace, self._buffer), initial=Value(self._type, first))
        pv.show_on(self)

    def post(self, value: Any) -> None:
        """Tell every subscriber the value."""
        self.shared.post(Value(self._type, {"value": self._shown(value), **_stamp()}))

    def post_limits(self, low: float, high: float) -> None:
        """Show other control limits."""
        limits = {"limitLow": low, "limitHigh": high}
        self.shared.post(Value(self._type, {"control": limits, "display": limits, **_stamp()}))

    def post_alarm(self, status: int, severity: int) -> None:
        """Tell every subscriber an alarm."""
        alarm = {"status": RECORD_ALARM if severity else 0, "severity": severity, "message": ALARMS[status]}
        self.shared.post(Value(self._type, {"alarm": alarm, **_stamp()}))

    def _shown(self, value: Any) -> Any:
        if self._buffer is not None:
            return self._buffer.show(value)
        return {"index": int(value)} if self._pv.kind is Kind.ENUM else value


def _stamp() -> dict[str, Any]:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return {"timeStamp": {"secondsPastEpoch": seconds, "nanoseconds": nanoseconds}}


class _PutHandler:
    """p4p's put handler: complete when ours ends, unless the client does not want to wait (record[block=false])."""

    def __init__(self, pv: SimPV, pace: Pace, buffer: TextBuffer | None) -> None:
        self._pv, self._pace, self._buffer = pv, pace, buffer

    async def put(self, _: SharedPV, op: ServerOperation) -> None:
        raw = op.value()
        value = raw.value.index if self._pv.kind is Kind.ENUM else raw.value
        if self._buffer is not None:
            value = self._buffer.put(np.asarray(value, np.int8).tobytes())
        blocking = _blocks(op)
        COMPLETION.set(blocking)
        await self._pace.wait()
        if not blocking:
            op.done()
        answer = "the server ended before the put was complete"
        try:
            await self._pv.put(value)
            answer = None
        except RefusedPutError as error:
            answer = str(error)
        finally:
            # Also when cancelled or broken: a client must never wait for an answer that nobody will give.
            if blocking:
                op.done(error=answer)


def _blocks(op: ServerOperation) -> bool:
    request = op.pvRequest().todict()
    options = cast("dict[str, Any]", request.get("record", {})).get("_options", {})
    return str(options.get("block", "false")).lower() in ("true", "1")
