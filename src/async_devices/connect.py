"""`async with connected():` makes devices of local variables: named after them, connected in parallel."""

import asyncio
import inspect
from types import FrameType, TracebackType

from .device import DEFAULT_TIMEOUT, Device, connect_devices
from .errors import LoopEndedError
from .loops import bridged, running_loop, sent_home


class connected:  # noqa: N801  # used as a statement
    """Name and connect the devices that the block assigns to variables.

        async with connected():
            x = Motor("SIM:X")

    A device that has a name already keeps it. If anything does not connect, all of them are disconnected again and one
    NotConnectedError says what is wrong, as a tree. If the block itself raises, nothing is connected. The value of the
    `async with` is a dict that holds the devices by variable once the block has ended.

    Without an `await`, beside an engine whose loop runs in another thread, as bluesky's does:

        with connected(loop=RE.loop):
            x = Motor("SIM:X")
    """

    def __init__(
        self, *, timeout: float = DEFAULT_TIMEOUT, mock: bool = False, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Watch the local variables of the calling function, or the globals of a module or a notebook cell.

        Args:
            timeout: Seconds that every server is given to answer.
            mock: Do without servers; see `mocking`.
            loop: The devices live there; None is the running one.
        """
        self._timeout = timeout
        self._mock = mock
        self._loop = loop
        here = inspect.currentframe()  # the only way to see the caller's variables
        self._frame: FrameType | None = here.f_back if here is not None else None
        self._before: dict[str, Device] = {}
        self._devices: dict[str, Device] = {}

    async def __aenter__(self) -> dict[str, Device]:
        self._before = self._visible()
        return self._devices

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._take_names(failed=kind is not None):
            return
        if self._loop is None or self._loop is running_loop():
            await self._connect()
        else:
            await bridged(self._loop, self._connect, name="connected()")

    def __enter__(self) -> dict[str, Device]:
        if self._loop is None or self._loop is running_loop():
            msg = "`with connected()` needs loop=, one that runs in another thread (RE.loop); else use `async with`"
            raise LoopEndedError(msg)
        self._before = self._visible()
        return self._devices

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None or not self._take_names(failed=kind is not None):
            return
        sent = sent_home(self._loop, self._connect, name="connected()")
        try:
            sent.result()
        finally:
            sent.cancel()

    def _take_names(self, *, failed: bool) -> bool:
        """Find and name what the block has made; give whether it is to be connected."""
        after = self._visible()
        self._frame = None  # a kept frame would keep all the caller's variables alive
        if failed:
            return False
        self._devices.update({name: device for name, device in after.items() if self._before.get(name) is not device})
        for name, device in self._devices.items():
            if not device.name:
                device.set_name(name)
        return True

    async def _connect(self) -> None:
        try:
            await connect_devices(self._devices, timeout=self._timeout, mock=self._mock)
        except BaseException:  # a cancellation, too, leaves no circuit open
            for device in self._devices.values():
                await device.disconnect()
            raise

    def _visible(self) -> dict[str, Device]:
        variables = self._frame.f_locals if self._frame is not None else {}
        return {name: value for name, value in variables.items() if isinstance(value, Device) and value.parent is None}
