from collections.abc import Awaitable, Callable
from typing import Any

DBE_PROPERTY: int
FORMAT_RAW: int
FORMAT_TIME: int
FORMAT_CTRL: int

class CANothing(Exception):
    name: str
    ok: bool
    errorcode: int
    def __init__(self, name: str, errorcode: int = ...) -> None: ...

class CAInfo:
    ok: bool
    name: str
    host: str
    count: int
    datatype: int

class Subscription:
    name: str
    dropped_callbacks: int
    def close(self) -> None: ...

async def caget(
    pv: str,
    datatype: int | None = ...,
    format: int = ...,
    count: int = ...,
    timeout: float | None = ...,
    throw: bool = ...,
) -> Any: ...
async def caput(
    pv: str,
    value: Any,
    datatype: int | None = ...,
    wait: bool = ...,
    timeout: float | None = ...,
    throw: bool = ...,
) -> CANothing: ...
async def cainfo(pv: str, wait: bool = ..., timeout: float | None = ..., throw: bool = ...) -> CAInfo: ...
def camonitor(
    pv: str,
    callback: Callable[[Any], Awaitable[None] | None],
    events: int | None = ...,
    datatype: int | None = ...,
    format: int = ...,
    count: int = ...,
    all_updates: bool = ...,
    notify_disconnect: bool = ...,
    connect_timeout: float | None = ...,
) -> Subscription: ...
def purge_channel_caches() -> None: ...
