"""PVI: a device tree that a server describes itself (NTPVI structures over PV Access).

A PVI PV holds one entry per child: `{d: pv}` a sub-device with a PVI of its own, `{r: pv}`, `{w: pv}`, `{rw: pv}` or
`{r: pv, w: pv}` a signal, `{x: pv}` an action. Numbered blocks come in two forms: fastcs serves a sub-device `seq`
whose entries are `__1`, `__2`; PandABlocks-ioc serves `seq` as an array of entries whose index is the number, or, in
its older form, `seq1` and `seq2` beside each other. Only the names in the tree are used: PV names differ from server to
server.

A typed block is a class whose annotations name fields: those that the server has are made with the declared datatypes,
all others with the types that the server serves.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast, get_args, get_origin, get_type_hints

import numpy as np

from ...task_scope import together
from ..device import Device, DeviceVector, connect_children
from ..errors import ConnectFailure, IntrospectionError
from ..schemes import MOCKING, backend_for
from ..signal import Signal, SignalR, SignalRW, SignalX
from .errors import MissingFieldError

Entries = Mapping[str, Any]


class Block(Device):
    """A block of the server: its fields by name, each with the type that it declares or that the server serves."""

    required: ClassVar[tuple[str, ...]] = ()
    """Fields without which the block is of no use."""
    mocked_number: ClassVar[int | None] = 1
    """Of the one block of its kind that there is without a server; None for what exists once."""

    def __init__(
        self, fields: Mapping[str, Signal[Any]], *, label: str, writable: frozenset[str] = frozenset()
    ) -> None:
        """Hold the fields of one block.

        Args:
            fields: Signals by name.
            label: The block as a user knows it, as SEQ1.
            writable: Names of the fields that the server keeps what is written to.
        """
        self.label = label
        self.writable = writable
        self._fields = dict(fields)
        for field, signal in fields.items():
            self.adopt(field, signal)
        super().__init__()

    @classmethod
    def datatypes(cls) -> dict[str, Any]:
        """The declared datatype of every field that the class names."""
        hints = get_type_hints(cls)
        return {field: _datatype(hint) for field, hint in hints.items() if _is_signal(hint)}

    def __getitem__(self, field: str) -> SignalRW[Any]:
        """The field, to be read and, where the server lets it, written."""
        signal = self._fields.get(field)
        if not isinstance(signal, SignalRW):
            raise self._missing(field)
        return signal

    if not TYPE_CHECKING:  # a type checker knows the declared fields, and is to complain of all others

        def __getattr__(self, field: str) -> Signal[Any]:
            if field.startswith("_"):
                raise AttributeError(field)
            try:
                return self._fields[field]
            except KeyError:
                raise self._missing(field) from None

    def _missing(self, field: str) -> MissingFieldError:
        return MissingFieldError(
            f"{self.name or self.label} ({self.label}) has no field {field!r}; it has {sorted(self._fields)}"
        )

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)


def _is_signal(hint: Any) -> bool:
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, Signal)


def _datatype(hint: Any) -> Any:
    (datatype,) = get_args(hint) or (None,)
    return get_origin(datatype) if get_origin(datatype) is dict else datatype


class Numbered(NamedTuple):
    """The name of a block and its number; None for a block that exists once."""

    name: str
    number: int | None

    @property
    def label(self) -> str:
        """The block as a user knows it.

        Examples:
            >>> Numbered("seq", 1).label
            'SEQ1'
        """
        return f"{self.name.upper()}{'' if self.number is None else self.number}"


def numbered(name: str, kinds: Mapping[str, Any]) -> Numbered:
    """What an entry without numbers of its own is: `seq2` is the second `seq`, where such a kind is known.

    Examples:
        >>> numbered("seq2", {"seq": None}), numbered("pcap", {"pcap": None}), numbered("sfp3", {"seq": None})
        (Numbered(name='seq', number=2), Numbered(name='pcap', number=None), Numbered(name='sfp3', number=None))
    """
    kind = name.rstrip("0123456789")
    if kind != name and kind in kinds and name not in kinds:
        return Numbered(kind, int(name.removeprefix(kind)))
    return Numbered(name, None)


def tree_of_mocks(kinds: Mapping[str, type[Block]]) -> dict[Numbered, dict[str, Entries]]:
    """What a server with one block of each kind, and the fields that the kinds declare, would say."""
    return {
        Numbered(name, kind.mocked_number): {
            field: {_access(hint): f"MOCK:{name.upper()}:{field.upper()}"}
            for field, hint in get_type_hints(kind).items()
            if _is_signal(hint)
        }
        for name, kind in kinds.items()
    }


def _access(hint: Any) -> str:
    kind = get_origin(hint) or hint
    return "x" if kind is SignalX else "r" if kind is SignalR else "rw"


async def read_tree(root: str, *, kinds: Mapping[str, Any], timeout: float) -> dict[Numbered, dict[str, Entries]]:
    """Every block below a PVI root, with its entries.

    Args:
        root: PV of the root, without scheme.
        kinds: Names of blocks that may be numbered.
        timeout: Seconds per PVI.
    """
    found = await together(
        *(_places(numbered(name, kinds), entry, timeout) for name, entry in (await _entries(root, timeout)).items())
    )
    places = {block: pv for each in found for block, pv in each.items()}
    trees = await together(*(_entries(pv, timeout) for pv in places.values()))
    return {block: dict(entries) for block, entries in zip(places, trees, strict=True)}


async def _places(block: Numbered, entry: Any, timeout: float) -> dict[Numbered, str]:
    """PVI of each block that an entry stands for."""
    if not isinstance(entry, Mapping):
        listed: list[dict[str, str] | None] = np.asarray(entry, dtype=object).tolist()
        return {Numbered(block.name, number): each["d"] for number, each in enumerate(listed) if each}
    here = cast("Mapping[str, str]", entry)
    if "d" not in here:
        return {}
    below = await _entries(here["d"], timeout)
    numbers = {key: each for key, each in below.items() if key.startswith("__")}
    if not numbers:
        return {block: here["d"]}
    return {Numbered(block.name, int(key.removeprefix("__"))): str(each["d"]) for key, each in numbers.items()}


async def _entries(pv: str, timeout: float) -> Entries:
    backend = backend_for(f"pva://{pv}", dict)
    try:
        await backend.connect(timeout=timeout)
        value: Entries = await backend.get(timeout=timeout)
    finally:
        await backend.disconnect()
    return value


def block_of(block: Numbered, entries: Mapping[str, Entries], *, kind: type[Block] = Block) -> Block:
    """The device of one block."""
    declared = kind.datatypes()
    signals = {field: _signal(entry, declared.get(field)) for field, entry in entries.items() if "d" not in entry}
    writable = frozenset(field for field, entry in entries.items() if "rw" in entry or {"r", "w"} <= entry.keys())
    return kind(signals, label=block.label, writable=writable)


def _signal(entry: Entries, datatype: Any) -> Signal[Any]:
    pvs = {access: f"pva://{pv}" for access, pv in entry.items()}
    if "x" in pvs:
        return SignalX(pvs["x"])
    read, write = pvs.get("rw") or pvs.get("r"), pvs.get("rw") or pvs.get("w")
    return SignalRW(datatype, read=read or write, write=write or read)


class PviDevice(Device):
    """A device whose blocks come from a PVI tree, read at every connect: a server may be configured anew."""

    def __init__(self, root: str, *, kinds: Mapping[str, type[Block]], needed: tuple[str, ...], name: str = "") -> None:
        """Name the root.

        Args:
            root: PV of the PVI root, without scheme.
            kinds: The typed blocks, by name; others are plain Blocks.
            needed: Names of the blocks without which the device is of no use.
            name: Of the device.
        """
        self._root = root
        self._kinds = kinds
        self._needed = needed
        self._adopted: set[str] = set()
        self.blocks: dict[Numbered, Block] = {}
        super().__init__(name)

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Read the tree, make its signals, and connect those."""
        await self.disconnect()
        tree = await self._tree(timeout)
        if missing := self._missing(tree):
            return [
                ConnectFailure((*path, "PVI"), f"pva://{self._root}", ", ".join(missing), "are not in the tree", 0.0)
            ]
        self.blocks = {
            block: block_of(block, entries, kind=self._kinds.get(block.name, Block)) for block, entries in tree.items()
        }
        self._adopt_blocks()
        return await connect_children(self.children(), path, timeout=timeout)

    async def _tree(self, timeout: float) -> dict[Numbered, dict[str, Entries]]:
        if MOCKING.get():
            return tree_of_mocks(self._kinds)
        return await read_tree(self._root, kinds=self._kinds, timeout=timeout)

    def _missing(self, tree: Mapping[Numbered, Mapping[str, Entries]]) -> list[str]:
        served = {block.name for block in tree}
        absent = [
            f"{name}.{field}" for name in self._needed if name not in served for field in self._kinds[name].required
        ]
        return absent + [
            f"{block.name}.{field}"
            for block, entries in tree.items()
            if block.name in self._kinds
            for field in self._kinds[block.name].required
            if field not in entries
        ]

    def _adopt_blocks(self) -> None:
        children: dict[str, Device] = {}
        for block, device in self.blocks.items():
            if block.number is None:
                children[block.name] = device
            else:
                vector = cast("DeviceVector[int, Block]", children.setdefault(block.name, DeviceVector[int, Block]()))
                vector[block.number] = device
        for gone in self._adopted - children.keys():
            del self.__dict__["_children"][gone]
        self._adopted = set(children)
        for name, child in children.items():
            self.adopt(name, child)

    def numbered(self, name: str) -> dict[int, Block]:
        """All blocks of a kind by number; one that exists once is number 1."""
        return {block.number or 1: device for block, device in self.blocks.items() if block.name == name}

    def block(self, name: str, number: int | None = None) -> Block:
        """One block.

        Raises:
            IntrospectionError: The server has none of that name and number.
        """
        found = self.blocks.get(Numbered(name, number))
        if found is None and (len(self.numbered(name)) == 1 or number is not None):
            found = self.numbered(name).get(number or 1)  # a block that exists once may be served as the first of many
        if found is not None:
            return found
        has = sorted(block.label for block in self.blocks.values())
        msg = (
            f"{self.name} (pva://{self._root}) has no block {name}{number or ''}; it has {has or 'not been connected'}"
        )
        raise IntrospectionError(msg)
