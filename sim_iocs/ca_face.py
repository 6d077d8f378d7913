"""How Channel Access shows a PV: a caproto channel whose writes go to the SimPV."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import caproto
import numpy as np

from .errors import NotFinishedError, RefusedPutError
from .pv import Kind, SimPV

_log = logging.getLogger(__name__)


class CaFace:
    """The Channel Access face of a PV.

    Args:
        pv: What is shown.

    Attributes:
        channel: What caproto serves.
    """

    def __init__(self, pv: SimPV) -> None:
        meta = pv.meta
        numeric: dict[str, Any] = {"units": meta.units}
        if meta.limits is not None:
            numeric |= _limits(*meta.limits)
        options: dict[Kind, dict[str, Any]] = {
            Kind.FLOAT: {**numeric, "precision": meta.precision},
            Kind.FLOATS: {**numeric, "precision": meta.precision, "max_length": meta.length},
            Kind.INTS: {**numeric, "max_length": meta.length},
            Kind.INT: numeric,
            Kind.SHORT: numeric,
            Kind.ENUM: {"enum_strings": meta.choices},
            Kind.STRING: {"string_encoding": "utf-8"},
            Kind.TEXT: {"string_encoding": "utf-8", "max_length": meta.length},
        }
        self.channel: caproto.ChannelData = _CHANNELS[pv.kind](pv, value=pv.value, **options[pv.kind])
        pv.show_on(self)

    def post(self, value: Any) -> None:
        """Tell every subscriber the value; without caproto's own checks, so that a limit never raises here."""
        flags = caproto.SubscriptionType.DBE_VALUE
        finish_now(self.channel.write(value, verify_value=False, update_fields=False, flags=flags))

    def post_limits(self, low: float, high: float) -> None:
        """Show other control limits."""
        finish_now(self.channel.write_metadata(**_limits(low, high)))

    def post_alarm(self, status: int, severity: int) -> None:
        """Tell every subscriber an alarm."""
        kind, degree = caproto.AlarmStatus(status), caproto.AlarmSeverity(severity)
        finish_now(self.channel.write_metadata(status=kind, severity=degree))


def _limits(low: float, high: float) -> dict[str, Any]:
    return {
        "lower_ctrl_limit": low,
        "upper_ctrl_limit": high,
        "lower_disp_limit": low,
        "upper_disp_limit": high,
    }


def finish_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits to its end, at once.

    caproto's publishing is written with `await`, but it awaits only puts on unbounded queues, which never wait. Running
    it here keeps posts synchronous, and with that in order.

    Raises:
        NotFinishedError: It did wait.
    """
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    msg = f"{coroutine.__qualname__} waited; it must not"
    raise NotFinishedError(msg)


class _Served(caproto.ChannelData):
    """Mixin: a client's write goes to the SimPV and completes when its handler does."""

    def __init__(self, pv: SimPV, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pv = pv

    async def write_from_dbr(self, data: Any, data_type: Any, metadata: Any, *, flags: int = 0) -> Any:
        try:
            await self._pv.put(self._decode(data, data_type))
        except RefusedPutError as error:
            # Raised, it would be logged with a traceback; Channel Access carries no message with a completion.
            _log.warning("put refused: %s", error)
            return caproto.CAStatus.ECA_PUTFAIL
        return None

    def _decode(self, data: Any, data_type: Any) -> Any:
        native = caproto.native_type(data_type)
        if native == caproto.ChannelType.STRING:
            return b"".join(data[:1]).split(b"\0", 1)[0].decode()
        array = np.asarray(data)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("="))
        if self._pv.kind in (Kind.TEXT, Kind.STRING):
            return array.astype(np.uint8).tobytes()
        return array if self._pv.kind in (Kind.FLOATS, Kind.INTS) else array[0].item()

    def check_access(self, hostname: str, username: str) -> caproto.AccessRights:
        if self._pv.meta.read_only:
            return caproto.AccessRights.READ
        return caproto.AccessRights.READ | caproto.AccessRights.WRITE


class _DoubleChannel(_Served, caproto.ChannelDouble): ...


class _IntegerChannel(_Served, caproto.ChannelInteger): ...


class _ShortChannel(_Served, caproto.ChannelShort): ...


class _EnumChannel(_Served, caproto.ChannelEnum):
    async def verify_value(self, data: Any) -> Any:
        return data


class _StringChannel(_Served, caproto.ChannelString): ...


class _CharChannel(_Served, caproto.ChannelChar): ...


_CHANNELS: dict[Kind, Callable[..., caproto.ChannelData]] = {
    Kind.FLOAT: _DoubleChannel,
    Kind.FLOATS: _DoubleChannel,
    Kind.INT: _IntegerChannel,
    Kind.INTS: _IntegerChannel,
    Kind.SHORT: _ShortChannel,
    Kind.ENUM: _EnumChannel,
    Kind.STRING: _StringChannel,
    Kind.TEXT: _CharChannel,
}
