"""Device: a named tree of parts that connects in parallel and closes what it opened."""

import asyncio
import gc
from collections.abc import Generator, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..task_owner import TaskOwner
from .errors import ConnectFailure, DeviceError, NotConnectedError
from .loops import bridged, home_of
from .protocols import DISPATCH
from .schemes import MOCKING

DEFAULT_TIMEOUT = 10.0
"""Seconds that a server is given to answer, unless said otherwise."""


class Device:
    """A part of the beamline; its public attributes that are Devices are its children.

    Subclasses make their children in `__init__` and call `super().__init__(name)` last or first, as they like: children
    are adopted when they are assigned, and named when the device is.
    """

    _name: str = ""
    _parent: "Device | None" = None
    _tasks: TaskOwner | None = None
    home_loop: asyncio.AbstractEventLoop | None = None
    """The loop that connected it and that it lives in."""

    def __init__(self, name: str = "") -> None:
        if name:
            self.set_name(name)

    def __setattr__(self, attribute: str, value: object) -> None:
        if attribute != "_parent" and isinstance(value, Device):
            self.adopt(attribute, value)
        super().__setattr__(attribute, value)

    def adopt(self, attribute: str, child: "Device") -> None:
        """Make `child` a part of this device, known as `attribute`."""
        child._parent = self  # noqa: SLF001  # our own class
        self.__dict__.setdefault("_children", {})[attribute] = child
        if self._name:
            child.set_name(self.child_name(attribute))

    @property
    def name(self) -> str:
        """By which its keys are known; empty until it is named."""
        return self._name

    @property
    def parent(self) -> "Device | None":
        """The device that this is part of."""
        return self._parent

    def set_name(self, name: str) -> None:
        """Name it, and its children after it: parent-child."""
        self._name = name
        for attribute, child in self.children():
            child.set_name(self.child_name(attribute))

    def child_name(self, attribute: str) -> str:
        """What a child known as `attribute` is called."""
        return f"{self._name}-{attribute.strip('_')}" if self._name else ""

    def children(self) -> Iterator[tuple[str, "Device"]]:
        """(attribute, child) in the order of adoption."""
        yield from list(self.__dict__.get("_children", {}).items())

    @property
    def tasks(self) -> TaskOwner:
        """Owns what runs on behalf of this device; closed by `disconnect`."""
        if self._tasks is None:
            self._tasks = TaskOwner(self._name or type(self).__name__)
        return self._tasks

    async def connect(self, *, timeout: float = DEFAULT_TIMEOUT, mock: bool = False) -> None:
        """Connect it and everything in it, in parallel. It lives in this loop from now on, or where it lives already.

        Args:
            timeout: Seconds that every server is given to answer.
            mock: Do without servers; see `mocking`.

        Raises:
            NotConnectedError: What did not answer or serves another type, as a tree. What did connect stays so:
                call again to try the rest, or `disconnect`.
        """
        await connect_devices({self._name or type(self).__name__: self}, timeout=timeout, mock=mock)

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect this device and its children; overridden by what has a server of its own.

        Args:
            path: Names from the outermost device to this one, for messages.
            timeout: Seconds that every server is given to answer.
        """
        return await connect_children(self.children(), path, timeout=timeout)

    async def behave_as_mock(self) -> None:
        """Begin to act as the real device would, on mocked signals; overridden by classes that can."""

    async def disconnect(self) -> None:
        """End every task and subscription of it and its children, and give back their channels. May be called again."""
        home = home_of(self)
        if home is not None and home.is_running():
            await bridged(home, self.disconnect, name=self._name)
            return
        if self._tasks is not None:
            tasks, self._tasks = self._tasks, None
            if home is None:
                await tasks.aclose()
        for _, child in self.children():
            await child.disconnect()
        self.home_loop = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name or 'unnamed'}>"


async def connect_children(
    children: Iterable[tuple[str, Device]], path: tuple[str, ...], *, timeout: float
) -> list[ConnectFailure]:
    """Connect devices in parallel and give what failed, in their order."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_connect_one(child, (*path, name), timeout), name=f"connect {'.'.join((*path, name))}")
            for name, child in children
        ]
    return [failure for task in tasks for failure in task.result()]


async def _connect_one(device: Device, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
    home = home_of(device)
    if home is None or home.is_closed():
        device.home_loop = asyncio.get_running_loop()
    try:
        if home is not None and not home.is_closed():
            return await bridged(home, lambda: _connected_here(device, path, timeout), name=device.name)
        return await _connected_here(device, path, timeout)
    except NotConnectedError as error:
        return list(error.failures)
    except DeviceError as error:
        return [ConnectFailure((*path, "(itself)"), type(device).__name__, "to connect", str(error), timeout)]


async def _connected_here(device: Device, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
    failures = await device.connect_self(path, timeout)
    if MOCKING.get() and not failures:
        await device.behave_as_mock()
    return failures


async def connect_devices(devices: dict[str, Device], *, timeout: float = DEFAULT_TIMEOUT, mock: bool = False) -> None:
    """Connect named devices in parallel, each verb acting at once whoever calls.

    Args:
        devices: By the name that messages call them by.
        timeout: Seconds that every server is given to answer.
        mock: Do without servers.

    Raises:
        NotConnectedError: As one tree over all of them.
    """
    token, mocking = DISPATCH.set(None), MOCKING.set(mock)
    try:
        with _without_collections():
            failures = await connect_children(devices.items(), (), timeout=timeout)
    finally:
        MOCKING.reset(mocking)
        DISPATCH.reset(token)
    if failures:
        raise NotConnectedError(failures)


@contextmanager
def _without_collections() -> Generator[None]:
    """Look for no cycles meanwhile.

    Connecting makes many objects that all stay; walking over them again and again costs a quarter of its time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


D = TypeVar("D", bound=Device)
K = TypeVar("K", int, str)


class DeviceVector(Device, MutableMapping[K, D], Generic[K, D]):
    """Numbered or named devices of one kind: `panda.seq[1]`."""

    def __init__(self, items: dict[K, D] | None = None, *, name: str = "") -> None:
        self._items: dict[K, D] = {}
        for key, device in (items or {}).items():
            self[key] = device
        super().__init__(name)

    def __getitem__(self, key: K) -> D:
        return self._items[key]

    def __setitem__(self, key: K, value: D) -> None:
        self._items[key] = value
        self.adopt(str(key), value)

    def __delitem__(self, key: K) -> None:
        del self._items[key]
        self.__dict__["_children"].pop(str(key))

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<DeviceVector {self.name or 'unnamed'} of {list(self._items)}>"


class DeviceMap(DeviceVector[str, D]):
    """Devices of one kind by name: `slits["left"]`."""
