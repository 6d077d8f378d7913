from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from caproto import ChannelData

class Context:
    ca_server_port: int
    port: int | None
    def __init__(self, pvdb: Mapping[str, ChannelData], interfaces: Sequence[str] | None = ...) -> None: ...
    async def run(
        self, *, log_pv_names: bool = ..., startup_hook: Callable[[Any], Coroutine[Any, Any, None]] | None = ...
    ) -> None: ...
