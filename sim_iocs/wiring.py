"""Cables: from trajectory controllers to trigger boxes, from trigger boxes to detectors."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .panda import Panda
from .pmac import Pmac
from .settings import BeamlineSettings


class Listener(Protocol):
    """A detector with a trigger input."""

    settings: Any

    def trigger(self, times_ns: Any) -> None:
        """Take rising edges, in the order of their times."""
        ...


@runtime_checkable
class LevelListener(Protocol):
    """A detector that needs to know falling edges as well."""

    def levels(self, times_ns: NDArray[np.int64], levels: NDArray[np.bool_]) -> None:
        """Take all edges, in the order of their times."""
        ...


class Wiring:
    """The cables of one beamline.

    Args:
        settings: What is connected with what.
        pandas: Trigger boxes by name.
        pmacs: Trajectory controllers by name.
        listeners: Detectors with a trigger input, by name.
    """

    def __init__(
        self,
        settings: BeamlineSettings,
        *,
        pandas: Mapping[str, Panda],
        pmacs: Mapping[str, Pmac],
        listeners: Mapping[str, Listener],
    ) -> None:
        self._settings, self._pandas, self._pmacs = settings, pandas, pmacs
        first = next(iter(pandas), "")
        self._outputs: dict[tuple[str, str], list[Listener]] = {}
        for listener in listeners.values():
            box, _, output = str(listener.settings.trigger).rpartition(".")
            if pandas:
                self._outputs.setdefault((box or first, output), []).append(listener)

    def observe(self, t_ns: int) -> None:
        """Have every trigger box work out what happened until `t_ns`, and pass its edges on."""
        for name, panda in self._pandas.items():
            self._feed(name, t_ns)
            panda.model.advance(t_ns)
        for (box, output), listeners in self._outputs.items():
            self._pass_on(box, output, listeners)

    def _feed(self, name: str, t_ns: int) -> None:
        for entry, source in self._settings.panda[name].inputs.items():
            controller, _, line = source.partition(".")
            times, levels = self._pmacs[controller].take_edges(line, t_ns, reader=f"{name}.{entry}")
            if len(times):
                self._pandas[name].model.feed(entry, times, levels)

    def _pass_on(self, box: str, output: str, listeners: list[Listener]) -> None:
        times, levels = self._pandas[box].model.take_levels(output)
        if not len(times):
            return
        for listener in listeners:
            if isinstance(listener, LevelListener):
                listener.levels(times, levels)
            elif levels.any():
                listener.trigger(times[levels])
