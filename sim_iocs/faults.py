"""What can be made to go wrong: switches that devices offer, as PVs and in the settings file.

Theory of operation. A device gives its switches; the panel makes one PV of each name under <prefix>FAULTS:, shared by
all devices that name it. A put is applied to every one of them, at once or, when Delay is greater than 0, that many
seconds later: at that very instant of the world, whenever it is computed. A switch that is `momentary` acts and shows
its default again. Clear puts every switch back. The settings file has the same names in lower case with underscores
(`lose_triggers` for LoseTriggers): under `faults`, from the start; in `faults.schedule`, at seconds after the start.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from .clock import NS
from .errors import RefusedPutError, SettingsError
from .pv import Kind
from .pv_group import PVGroup
from .settings import FaultSettings
from .world import World

MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One thing that can be made to go wrong with one device.

    Attributes:
        name: PV suffix, as LoseTriggers.
        kind: What it takes.
        default: What says that nothing goes wrong.
        apply: Called with what was put, cleaned: a frozenset of numbers for Kind.INTS.
        momentary: It acts when put, and shows the default again.
        choices: Labels of an enum.
    """

    name: str
    kind: Kind
    default: Any
    apply: Callable[[Any], None]
    momentary: bool = False
    choices: tuple[str, ...] = ("No", "Yes")


class FaultPanel:
    """Shows and changes what shall go wrong.

    Args:
        prefix: PV prefix, as SIM:FAULTS:.
        world: For faults at an instant.
        switches: Of all devices.
    """

    def __init__(self, prefix: str, *, world: World, switches: Iterable[Switch]) -> None:
        self.pvs, self._world = PVGroup(prefix), world
        self._switches: dict[str, list[Switch]] = {}
        for switch in switches:
            self._switches.setdefault(switch.name, []).append(switch)
        for name, (switch, *_) in self._switches.items():
            self._add(name, switch)
        self.pvs.add("Delay", Kind.FLOAT, 0.0, units="s", precision=3)
        self.pvs.enum("Clear", ("Done", "Clear"), handler=self._clear)

    def _add(self, name: str, switch: Switch) -> None:
        handler = partial(self._put, name)
        match switch.kind:
            case Kind.ENUM:
                self.pvs.enum(name, switch.choices, value=switch.default, handler=handler)
            case Kind.INTS:
                self.pvs.add(name, switch.kind, _shown(switch.default), handler=handler, length=MOST)
            case _:
                self.pvs.add(name, switch.kind, switch.default, handler=handler)

    def load(self, settings: FaultSettings) -> None:
        """Apply what the settings file asks for, now and later.

        Raises:
            SettingsError: No device of this beamline has such a fault.
        """
        for key, value in settings.present.items():
            self._apply(self._name_of(key), value)
        now_ns = self._world.now_ns()
        for entry in settings.schedule:
            for key, value in entry.set.items():
                self._later(now_ns + round(entry.after * NS), self._name_of(key), value)

    def _name_of(self, key: str) -> str:
        names = {snake(name): name for name in self._switches}
        if key not in names:
            known = ", ".join(sorted(names))
            msg = f"faults: no device of this beamline has a fault {key!r}; there are {known}"
            raise SettingsError(msg)
        return names[key]

    async def _put(self, name: str, value: Any) -> None:
        delay = float(self.pvs["Delay"].value)
        if delay > 0:
            self._later(self._world.now_ns() + round(delay * NS), name, value)
        else:
            self._world.settle()
            self._apply(name, value)

    def _later(self, t_ns: int, name: str, value: Any) -> None:
        self._world.at(t_ns, lambda _: self._apply(name, value))

    def _apply(self, name: str, value: Any) -> None:
        first = self._switches[name][0]
        for switch in self._switches[name]:
            switch.apply(_cleaned(switch.kind, value))
        self.pvs[name].post(first.default if first.momentary else _shown(value))

    async def _clear(self, value: int) -> None:
        if value:
            self._world.settle()
            for name, switches in self._switches.items():
                if not switches[0].momentary:
                    self._apply(name, switches[0].default)
        self.pvs["Clear"].post(0)


def _cleaned(kind: Kind, value: Any) -> Any:
    if kind is not Kind.INTS:
        return value
    return frozenset(int(number) for number in np.atleast_1d(np.asarray(value, np.int64)).tolist())


def _shown(value: Any) -> Any:
    if not isinstance(value, frozenset | list | tuple):
        return value
    return np.array(sorted(cast("Iterable[int]", value)), np.int32)


def snake(name: str) -> str:
    """Give a PV's suffix as the settings file writes it.

    >>> snake("SilentIOC"), snake("LoseTriggers")
    ('silent_ioc', 'lose_triggers')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def axis_named(name: str, axes: Mapping[str, Any]) -> str | None:
    """Read the name of an axis as a fault takes it; None for the empty one.

    Raises:
        RefusedPutError: There is no such axis.
    """
    if name and name not in axes:
        msg = f"there is no axis {name!r}: the axes are {', '.join(axes)}"
        raise RefusedPutError(msg)
    return name or None
