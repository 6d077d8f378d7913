"""What can be made to go wrong with a camera."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .errors import RefusedPutError
from .faults import Switch
from .pv import Kind


@dataclass(slots=True)
class CameraFaults:
    """What shall go wrong. Trigger numbers count from 1 since the camera was armed.

    Attributes:
        lose_triggers: Triggers that never reach the camera.
        double_triggers: Triggers that the camera takes again as soon as it is ready.
        drop_frames: Triggers whose frame is dropped in the HDF5 plugin's queue.
        stall_camera_at: From this trigger on the camera does nothing, and goes on waiting; 0 = never.
        disarm_camera_at: When this trigger comes the camera has ended its acquisition; 0 = never.
        disk_full_at: No room on the disk for the frame with this number of a file, from 1; 0 = never.
    """

    lose_triggers: frozenset[int] = frozenset()
    double_triggers: frozenset[int] = frozenset()
    drop_frames: frozenset[int] = frozenset()
    stall_camera_at: int = 0
    disarm_camera_at: int = 0
    disk_full_at: int = 0

    def switches(self, restart: Callable[[int, int], None]) -> Iterable[Switch]:
        """Give the switches by which they are set.

        Args:
            restart: Called with a new width and height, given as "width,height".
        """
        for name, attribute in (
            ("LoseTriggers", "lose_triggers"),
            ("DoubleTriggers", "double_triggers"),
            ("DropFrames", "drop_frames"),
        ):
            yield Switch(name=name, kind=Kind.INTS, default=(), apply=self._setter(attribute))
        for name, attribute in (
            ("StallCameraAt", "stall_camera_at"),
            ("DisarmCameraAt", "disarm_camera_at"),
            ("DiskFullAt", "disk_full_at"),
        ):
            yield Switch(name=name, kind=Kind.INT, default=0, apply=self._setter(attribute))

        def restart_with(size: str) -> None:
            if size:
                restart(*_width_and_height(size))

        yield Switch(name="RestartWithSize", kind=Kind.STRING, default="", apply=restart_with, momentary=True)

    def _setter(self, attribute: str) -> Callable[[object], None]:
        def apply(value: object) -> None:
            setattr(self, attribute, max(value, 0) if isinstance(value, int) else value)

        return apply


def _width_and_height(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*[,x ]\s*(\d+)\s*", text)
    if match is None:
        msg = f"a size is given as width,height in pixels, for example 320,240; got {text!r}"
        raise RefusedPutError(msg)
    return int(match[1]), int(match[2])
