from asyncio import Queue
from collections.abc import Callable, Coroutine, Mapping, Sequence
from socket import socket
from typing import Any

from caproto import ChannelData

class _Client:
    def close(self) -> None: ...

class VirtualCircuit:
    client: _Client
    context: Context
    connected: bool
    subscription_queue: Queue[Any]
    def __init__(self, circuit: Any, client: Any, context: Any) -> None: ...
    async def get_from_sub_queue(self, timeout: float | None = ...) -> Any: ...
    async def _process_command(self, command: Any) -> Any: ...
    async def send(self, *commands: Any) -> None: ...

class Context:
    CircuitClass: type[VirtualCircuit]
    ca_server_port: int
    port: int | None
    tcp_sockets: dict[str, socket]
    circuits: set[Any]
    subscription_queue: Queue[Any]
    async def _subscription_queue_iteration(self, *update: Any) -> None: ...
    def __init__(self, pvdb: Mapping[str, ChannelData], interfaces: Sequence[str] | None = ...) -> None: ...
    async def run(
        self, *, log_pv_names: bool = ..., startup_hook: Callable[[Any], Coroutine[Any, Any, None]] | None = ...
    ) -> None: ...
