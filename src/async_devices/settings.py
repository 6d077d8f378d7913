"""Settings: what the writable signals of a device hold, kept in a YAML file, compared, and written back.

    before = await current_settings(panda)
    before.save(Path("panda.yaml"))
    ...
    await restore(panda, Settings.load(Path("panda.yaml")), phases=("*_units",))

Signals are known by their path below the device: `seq.1.table`. Writing back happens in phases, because one setting may
change what another means (a scale in new units): what matches the first pattern is written and has completed before
what matches the second one is, and what matches none comes last. Only what differs is written, and all that was written
is read back: a server that has finished with a write has not said that it did it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ..task_scope import together
from .device import Device
from .errors import MissingBackendError, ReadbackError, SettingsError
from .signal import SignalR, SignalRW


class Difference(NamedTuple):
    """One setting that differs; None where one side lacks it.

    Attributes:
        path: Of the signal.
        before: Here.
        after: There.
    """

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by the path of their signal.

    Attributes:
        values: Numbers, texts, lists, arrays, and dicts of columns.
    """

    values: Mapping[str, Any]

    def differences(self, other: "Settings") -> tuple[Difference, ...]:
        """What differs between these settings and others, in order of path.

        >>> Settings({"a": 1, "b": 2}).differences(Settings({"a": 1, "b": 3}))
        (Difference(path='b', before=2, after=3),)
        """
        paths = sorted({*self.values, *other.values})
        pairs = ((path, self.values.get(path), other.values.get(path)) for path in paths)
        return tuple(Difference(*pair) for pair in pairs if not _same(pair[1], pair[2]))

    def save(self, path: Path) -> None:
        """Write a YAML file."""
        plain = {name: _plain(value) for name, value in self.values.items()}
        path.write_text(_yaml().safe_dump(plain, sort_keys=True, allow_unicode=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read one.

        Raises:
            SettingsError: It holds something else than values by path.
        """
        yaml = _yaml()
        try:
            values: object = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            msg = f"{path}: expected a YAML mapping of signals to values: {error}"
            raise SettingsError(msg) from error
        if not isinstance(values, dict):
            msg = f"{path}: expected a YAML mapping of signals to values, got {type(values).__name__}"
            raise SettingsError(msg)
        return cls(cast("dict[str, Any]", values))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        msg = f"settings files need PyYAML: pip install pyyaml ({error})"
        raise MissingBackendError(msg) from error
    return yaml


def _plain(value: Any) -> Any:
    """As YAML writes it: no numpy, no enum."""
    if isinstance(value, np.ndarray | np.generic):
        return cast("object", value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    return str(value) if isinstance(value, str) else value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        left, right = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
        return set(left) == set(right) and all(_same(left[name], right[name]) for name in left)
    if isinstance(one, float) or isinstance(other, float):
        return _close(one, other)
    if isinstance(one, np.ndarray | list) or isinstance(other, np.ndarray | list):
        return one is not None and other is not None and _same_array(one, other)
    return bool(one == other)


def _same_array(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def _close(one: Any, other: Any) -> bool:
    """Floats that came through a text or a 32-bit field."""
    if one is None or other is None or isinstance(one, str) or isinstance(other, str):
        return False
    return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))


def writable_signals(device: Device, *, path: str = "") -> Iterator[tuple[str, SignalRW[Any]]]:
    """Every signal below a device that is read and written, with its path.

    Args:
        device: The root.
        path: Of the root.
    """
    for attribute, child in device.children():
        here = f"{path}.{attribute}" if path else attribute
        if isinstance(child, SignalRW):
            signal = cast("SignalRW[Any]", child)
            if signal.present:
                yield here, signal
        elif not isinstance(child, SignalR):
            yield from writable_signals(child, path=here)


async def current_settings(device: Device, *, ignore: Sequence[str] = ()) -> Settings:
    """What the writable signals of a connected device hold now.

    Args:
        device: The root.
        ignore: Patterns of paths that are left out, as "*.acquire".
    """
    signals = {path: signal for path, signal in writable_signals(device) if not _matches(path, ignore)}
    values = await together(*(signal.get_value() for signal in signals.values()))
    return Settings(dict(zip(signals, values, strict=True)))


async def restore(
    device: Device, settings: Settings, *, phases: Sequence[str] = (), timeout: float | None = None
) -> tuple[Difference, ...]:
    """Write back what differs, phase by phase, and read all of it back.

    Args:
        device: The root.
        settings: What to write; signals that it does not name are left alone.
        phases: Patterns of paths that are written first, in this order.
        timeout: Seconds for each write.

    Returns:
        What was changed.

    Raises:
        SettingsError: It names a signal that the device does not have; nothing was written.
        ReadbackError: A server has not taken what was written; all of it is named.
    """
    signals = dict(writable_signals(device))
    if unknown := sorted(set(settings.values) - set(signals)):
        msg = f"{device.name}: the settings name {unknown}, which it does not have or cannot write; nothing was written"
        raise SettingsError(msg)
    wanted = {path: signals[path] for path in settings.values}
    changed: list[Difference] = []
    for paths in _phased(wanted, phases):
        differing = await _differences({path: wanted[path] for path in paths}, settings)
        await together(*(wanted[path].put(after, timeout=timeout) for path, _, after in differing))
        changed.extend(differing)
    if left := await _differences({path: wanted[path] for path, _, _ in changed}, settings):
        seen = "; ".join(f"{path}: expected {after!r}, read back {before!r}" for path, before, after in left)
        msg = f"{device.name}: {len(left)} setting(s) were not taken: {seen}"
        raise ReadbackError(msg)
    return tuple(changed)


def _phased(paths: Mapping[str, Any], phases: Sequence[str]) -> Iterator[list[str]]:
    left = list(paths)
    for pattern in phases:
        phase = [path for path in left if _matches(path, (pattern,))]
        left = [path for path in left if path not in phase]
        yield phase
    yield left


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


async def _differences(signals: Mapping[str, SignalRW[Any]], settings: Settings) -> list[Difference]:
    values = await together(*(signal.get_value() for signal in signals.values()))
    found = zip(signals, values, strict=True)
    return [
        Difference(path, seen, settings.values[path]) for path, seen in found if not _same(seen, settings.values[path])
    ]
