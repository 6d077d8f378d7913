"""Asking the hardware what a preflight has to know; reads only."""

import asyncio
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from event_model.documents import DataKey

from ..async_devices.errors import NoPathProviderError
from ..async_devices.flight import FlightDetector
from ..async_devices.paths import DEFAULT_PATHS
from ..task_scope import awaited, task_scope
from .hardware import FlightMotor, TriggerBox
from .preflight import Facts, Scale, Travel
from .rig import Rig


async def gather(
    rig: Rig, detectors: Sequence[FlightDetector], *, axes: Sequence[str], directory: Path | None = None
) -> Facts:
    """Ask everything at once.

    Args:
        rig: The wiring and its devices.
        detectors: Those to be flown.
        axes: Axes of the scan; those that the rig does not have are left to `judge`.
        directory: Where the files go; where the default path provider puts them, unless given.

    Raises:
        DeviceError: The first that a device failed to answer with.
    """
    box = cast("TriggerBox", rig.trigger_box)
    known = [axis for axis in axes if axis in rig.settings.axes]
    recorders = [*detectors, box.capture]
    async with task_scope() as group:
        routing = group.create_task(awaited(box.routing()))
        scales = group.create_task(awaited(box.encoder_scales()))
        health = group.create_task(awaited(box.health()))
        travel = {axis: group.create_task(_travel(cast("FlightMotor", rig.motor(axis)))) for axis in known}
        deadtimes = {detector.name: group.create_task(awaited(detector.deadtime())) for detector in detectors}
        keys = {detector.name: group.create_task(awaited(detector.describe_collect())) for detector in recorders}
        free = group.create_task(asyncio.to_thread(_free, directory))
    return Facts(
        travel={axis: task.result() for axis, task in travel.items()},
        deadtimes={name: task.result() for name, task in deadtimes.items()},
        frame_nbytes={name: frame_nbytes(task.result()) for name, task in keys.items()},
        routing=routing.result(),
        scales={name: Scale(each.scale, each.offset) for name, each in scales.result().items()},
        health=health.result(),
        free_nbytes=free.result(),
    )


async def _travel(motor: FlightMotor) -> Travel:
    low, high = await motor.limits()
    return Travel(low, high, await motor.max_velocity())


def frame_nbytes(keys: Mapping[str, DataKey]) -> int:
    """Count the bytes of one frame over all keys of a detector."""
    return sum(math.prod(n or 1 for n in key["shape"]) * _itemsize(key) for key in keys.values())


def _itemsize(key: DataKey) -> int:
    dtype = key.get("dtype_numpy", "<f8")
    return np.dtype(dtype if isinstance(dtype, str) else [(name, kind) for name, kind in dtype]).itemsize


def _free(directory: Path | None) -> int | None:
    """Bytes free in the nearest directory that exists."""
    place = directory or _default_directory()
    while place is not None and not place.exists() and place != place.parent:
        place = place.parent
    return None if place is None or not place.exists() else shutil.disk_usage(place).free


def _default_directory() -> Path | None:
    try:
        provider = DEFAULT_PATHS.get()
    except NoPathProviderError:
        return None
    return cast("Path | None", getattr(provider, "directory", None))
