"""How devices belong together: parents and parts, axes that move as one, and what they hint at.

A pseudo positioner is, by ophyd's names, a device with a `RealPosition`; axes among its `pseudo_positioners` that are
sent somewhere together are one move of the positioner, as each move of one of them moves them all.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def ancestry(device: Any) -> Iterator[Any]:
    """Go from a device through its parents to the outermost one."""
    while device is not None:
        yield device
        device = getattr(device, "parent", None)


def root(device: Any) -> Any:
    """Give the outermost device that this one is part of."""
    parent = getattr(device, "parent", None)
    return device if parent is None else root(parent)


def roots(devices: Iterable[Any]) -> list[Any]:
    """Give the outermost devices that these are part of, each once: these are the ones to stage."""
    return list(dict.fromkeys(root(device) for device in devices))


def separate(devices: Iterable[Any]) -> list[Any]:
    """Give the devices without those that are part of another one among them, each once."""
    found = list(dict.fromkeys(devices))
    if all(getattr(device, "parent", None) is None for device in found):
        return found
    return [device for device in found if not any(other in found for other in list(ancestry(device))[1:])]


def hinted_fields(device: Any) -> list[str]:
    """Give the fields that a device hints at."""
    hints: Mapping[str, Any] = getattr(device, "hints", None) or {}
    return list(hints.get("fields", ()))


def merged(step: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Make one target of the targets of axes that move as one.

    Raises:
        ValueError: Axes of one positioner contradict each other: real and pseudo ones, or it and its own part.
    """
    coupled = [device for device in step if hasattr(getattr(device, "parent", None), "RealPosition")]
    if not coupled:
        return step
    targets = {device: value for device, value in step.items() if device not in coupled}
    for parent in dict.fromkeys(device.parent for device in coupled):
        parts = {device: step[device] for device in coupled if device.parent is parent}
        targets.update(_as_one(parent, parts, alone=parent not in step))
    return targets


def _as_one(parent: Any, parts: Mapping[Any, Any], *, alone: bool) -> Mapping[Any, Any]:
    pseudo = {device: value for device, value in parts.items() if device in parent.pseudo_positioners}
    real = [device for device in parts if device in parent.real_positioners]
    if (pseudo and real) or (not alone and (pseudo or real)):
        names = sorted(device.name for device in parts)
        msg = f"{parent.name} cannot go where {names} are sent: they move each other; send real axes, or pseudo ones"
        raise ValueError(msg)
    if len(pseudo) < 2:  # one axis needs no other
        return parts
    together = {_attribute(parent, device): value for device, value in pseudo.items()}
    return {parent: together, **{device: value for device, value in parts.items() if device not in pseudo}}


def _attribute(parent: Any, device: Any) -> str:
    return next(name for name in parent.component_names if getattr(parent, name) is device)
