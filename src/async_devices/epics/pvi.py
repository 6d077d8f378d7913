"""PVI: a device tree that a server describes itself (NTPVI structures over PV Access).

A PVI PV holds one entry per child: `{d: pv}` a sub-device with a PVI of its own, `{r: pv}`, `{w: pv}`, `{rw: pv}` or
`{r: pv, w: pv}` a signal, `{x: pv}` an action. Numbered blocks come in two forms: fastcs serves a sub-device `seq`
whose entries are `__1`, `__2`; PandABlocks-ioc serves `seq` as an array of entries whose index is the number. Only
the names in the tree are used: PV names differ from server to server.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from ..device import Device, DeviceVector, connect_children
from ..errors import ConnectFailure, IntrospectionError
from ..schemes import backend_for
from ..signal import Signal, SignalRW, SignalX

T = TypeVar("T")
Entries = Mapping[str, Any]


class Block(Device):
    """A block of the server: its fields by name, each with the type that the server serves."""

    def __init__(self, fields: Mapping[str, Signal[Any]], *, label: str) -> None:
        """Hold the fields of one block.

        Args:
            fields: Signals by name.
            label: The block as a user knows it, as SEQ1.
        """
        self.label = label
        self._fields = dict(fields)
        for field, signal in fields.items():
            self.adopt(field, signal)
        super().__init__()

    def __getitem__(self, field: str) -> SignalRW[Any]:
        """The field, to be read and, where the server lets it, written."""
        signal = self._fields.get(field)
        if not isinstance(signal, SignalRW):
            msg = f"{self.name or self.label} ({self.label}) has no field {field!r}; it has {sorted(self._fields)}"
            raise IntrospectionError(msg)
        return signal

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)


class Numbered(NamedTuple):
    """The name of a block and its number; None for a block that exists once."""

    name: str
    number: int | None


async def read_tree(root: str, *, timeout: float) -> dict[Numbered, dict[str, Entries]]:
    """Every block below a PVI root, with its entries.

    Args:
        root: PV of the root, without scheme.
        timeout: Seconds per PVI.
    """
    places: dict[Numbered, str] = {}
    for name, entry in (await _entries(root, timeout)).items():
        places |= await _places(name, entry, timeout)
    return {block: dict(await _entries(pv, timeout)) for block, pv in places.items()}


async def _places(name: str, entry: Any, timeout: float) -> dict[Numbered, str]:
    """PVI of each block that the entry `name` stands for."""
    if not isinstance(entry, Mapping):
        numbered: list[dict[str, str] | None] = np.asarray(entry, dtype=object).tolist()
        return {Numbered(name, number): each["d"] for number, each in enumerate(numbered) if each}
    here = cast("Mapping[str, str]", entry)
    if "d" not in here:
        return {}
    below = await _entries(here["d"], timeout)
    numbers = {key: each for key, each in below.items() if key.startswith("__")}
    if not numbers:
        return {Numbered(name, None): here["d"]}
    return {Numbered(name, int(key.removeprefix("__"))): str(each["d"]) for key, each in numbers.items()}


async def _entries(pv: str, timeout: float) -> Entries:
    backend = backend_for(f"pva://{pv}", dict)
    try:
        await backend.connect(timeout=timeout)
        value: Entries = await backend.get(timeout=timeout)
    finally:
        await backend.disconnect()
    return value


def block_of(block: Numbered, entries: Mapping[str, Entries]) -> Block:
    """The device of one block."""
    label = f"{block.name.upper()}{'' if block.number is None else block.number}"
    return Block({field: _signal(entry) for field, entry in entries.items() if "d" not in entry}, label=label)


def _signal(entry: Entries) -> Signal[Any]:
    pvs = {access: f"pva://{pv}" for access, pv in entry.items()}
    if "x" in pvs:
        return SignalX(pvs["x"])
    read, write = pvs.get("rw") or pvs.get("r"), pvs.get("rw") or pvs.get("w")
    return SignalRW(None, read=read or write, write=write or read)


class PviDevice(Device):
    """A device whose blocks come from a PVI tree, read at every connect: a server may be configured anew."""

    def __init__(self, root: str, *, required: Mapping[str, tuple[str, ...]], name: str = "") -> None:
        """Name the root.

        Args:
            root: PV of the PVI root, without scheme.
            required: Fields without which the device is of no use, by block name.
            name: Of the device.
        """
        self._root = root
        self._required = required
        self.blocks: dict[Numbered, Block] = {}
        super().__init__(name)

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Read the tree, make its signals, and connect those."""
        await self.disconnect()
        tree = await read_tree(self._root, timeout=timeout)
        if missing := self._missing(tree):
            return [
                ConnectFailure((*path, "PVI"), f"pva://{self._root}", ", ".join(missing), "are not in the tree", 0.0)
            ]
        self.blocks = {block: block_of(block, entries) for block, entries in tree.items()}
        self._adopt_blocks()
        return await connect_children(self.children(), path, timeout=timeout)

    def _missing(self, tree: Mapping[Numbered, Mapping[str, Entries]]) -> list[str]:
        served: dict[str, set[str]] = {}
        for block, entries in tree.items():
            served.setdefault(block.name, set()).update(entries)
        return [
            f"{name}.{field}"
            for name, fields in self._required.items()
            for field in fields
            if field not in served.get(name, set())
        ]

    def _adopt_blocks(self) -> None:
        vectors: dict[str, DeviceVector[int, Block]] = {}
        for block, device in self.blocks.items():
            if block.number is None:
                self.adopt(block.name, device)
            else:
                vectors.setdefault(block.name, DeviceVector())[block.number] = device
        for name, vector in vectors.items():
            self.adopt(name, vector)

    def block(self, name: str, number: int | None = None) -> Block:
        """One block.

        Raises:
            IntrospectionError: The server has none of that name and number.
        """
        try:
            return self.blocks[Numbered(name, number)]
        except KeyError:
            has = sorted(block.label for block in self.blocks.values())
            msg = (
                f"{self.name} (pva://{self._root}) has no block {name}{number or ''}; it has "
                f"{has or 'not been connected'}"
            )
            raise IntrospectionError(msg) from None
