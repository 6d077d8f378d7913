"""Makers of signals, and writes that wait for their effect."""

from collections.abc import Callable
from typing import Any, TypeVar

from .signal import SignalR, SignalRW, SignalW, SignalX
from .soft import SoftBackend

T = TypeVar("T")
V = TypeVar("V")


def signal_r(datatype: type[T], uri: str, *, name: str = "") -> SignalR[T]:
    """A value read from one PV."""
    return SignalR(datatype, read=uri, name=name)


def signal_w(datatype: type[T], uri: str, *, name: str = "") -> SignalW[T]:
    """A value written to one PV."""
    return SignalW(datatype, write=uri, name=name)


def signal_rw(datatype: type[T], uri: str, *, readback: str | None = None, name: str = "") -> SignalRW[T]:
    """A value written to one PV and read from the same, or from its readback."""
    return SignalRW(datatype, read=readback or uri, write=uri, name=name)


def signal_rbv(datatype: type[T], uri: str, *, name: str = "") -> SignalRW[T]:
    """A value written to one PV and read from the one with `_RBV` after it, as areaDetector has them."""
    return signal_rw(datatype, uri, readback=f"{uri}_RBV", name=name)


def signal_x(uri: str, *, value: Any = 1, name: str = "") -> SignalX:
    """An action: writes `value`."""
    return SignalX(uri, value=value, name=name)


def soft_signal_rw(
    datatype: type[T],
    initial: T | None = None,
    *,
    name: str = "",
    units: str | None = None,
    precision: int | None = None,
) -> SignalRW[T]:
    """A value in memory that can be written."""
    backend = SoftBackend(f"soft://{name}", datatype=datatype, initial=initial, units=units, precision=precision)
    return SignalRW(datatype, read=backend, write=backend, name=name)


def soft_signal_r_and_setter(
    datatype: type[T], initial: T | None = None, *, name: str = "", units: str | None = None
) -> tuple[SignalR[T], Callable[[T], None]]:
    """A value in memory that only the maker can change, and the function that does."""
    backend = SoftBackend(f"soft://{name}", datatype=datatype, initial=initial, units=units)
    return SignalR(datatype, read=backend, name=name), backend.set_now


async def set_and_wait_for_value(
    signal: SignalRW[T], value: T, *, match: Callable[[T], bool] | None = None, timeout: float | None = None
) -> None:
    """Write without waiting for the server, then wait until the readback shows it.

    Raises:
        WaitTimeoutError: Naming what the readback showed last.
    """
    await set_and_wait_for_other_value(
        signal, value, other=signal, match=match or (lambda seen: bool(seen == value)), timeout=timeout
    )


async def set_and_wait_for_other_value(
    signal: SignalW[T],
    value: T,
    *,
    other: SignalR[V],
    match: Callable[[V], bool] | V,
    wait: bool = False,
    timeout: float | None = None,
) -> None:
    """Write one signal and wait until another shows the effect.

    Args:
        signal: What is written.
        value: What to write.
        other: Where the effect shows.
        match: The value, or a test of it.
        wait: For the server to finish with the write as well; it must not be what ends an acquisition or a move.
        timeout: Seconds for the effect to show.
    """
    await signal.put(value, wait=wait, timeout=timeout)
    await other.wait_for_value(match, timeout=timeout)
