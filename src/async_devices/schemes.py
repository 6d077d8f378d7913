"""From a URI to a back end; each protocol's library is imported when its first PV connects."""

from contextvars import ContextVar
from typing import Any

from .backend import SignalBackend
from .errors import MissingBackendError, UnknownSchemeError
from .soft import SoftBackend

MOCKING: ContextVar[bool] = ContextVar("wingbeat_mocking", default=False)
"""Whether devices that connect in this context do without their servers."""


def backend_for(uri: str, datatype: Any) -> SignalBackend:
    """A back end for a PV, not connected yet; one in memory while MOCKING.

    Args:
        uri: ca://NAME, pva://NAME or soft://name.
        datatype: What the device declares.

    Raises:
        UnknownSchemeError: The URI has another scheme.
        MissingBackendError: The library of the protocol is not installed.
    """
    scheme, _, pv = uri.partition("://")
    if MOCKING.get() and scheme in {"ca", "pva"}:
        from .mocking import MockBackend  # it needs signals, which need this module

        return MockBackend(uri, datatype=datatype)
    match scheme:
        case "ca":
            return _ca(uri, pv, datatype)
        case "pva":
            return _pva(uri, pv, datatype)
        case "soft":
            return SoftBackend(uri, datatype=datatype)
        case _:
            msg = f"{uri!r}: expected a URI that begins with ca://, pva:// or soft://"
            raise UnknownSchemeError(msg)


def _ca(uri: str, pv: str, datatype: Any) -> SignalBackend:
    try:
        from .ca import CaBackend
    except ImportError as error:
        msg = f"{uri}: Channel Access needs aioca: pip install wingbeat[epics] ({error})"
        raise MissingBackendError(msg) from error
    return CaBackend(pv, datatype=datatype)


def _pva(uri: str, pv: str, datatype: Any) -> SignalBackend:
    try:
        from .pva import PvaBackend
    except ImportError as error:
        msg = f"{uri}: PV Access needs p4p: pip install wingbeat[epics] ({error})"
        raise MissingBackendError(msg) from error
    return PvaBackend(pv, datatype=datatype)
