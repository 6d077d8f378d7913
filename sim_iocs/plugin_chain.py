"""The plugins of one camera, and how they are run."""

import asyncio
from collections.abc import Callable

from .camera_settings import CameraSettings
from .hdf_plugin import HdfPlugin
from .image_files import ImagePlugin as FilesPlugin
from .nd_circular import CircularBuffer
from .nd_file import FileOptions, FilePlugin
from .nd_image import ImagePlugin
from .nd_plugin import NDPlugin
from .nd_roi import ProcessPlugin, RoiPlugin
from .nd_stats import RoiStatPlugin, StatsPlugin
from .ndarray import Ports
from .scenery import Scenery

SOURCE = "CAM"


class PluginChain:
    """HDF1, TIFF1, JPEG1, STAT1, ROI1, ROISTAT1, PROC1, CB1 and Pva1, all fed by the camera at first.

    Args:
        prefix: PV prefix of the camera, as SIM:CAM:.
        settings: Of the camera.
        scene: What its frames would look like now.
        ports: Where it gives its arrays.
        options: How the HDF5 plugin writes, and what goes wrong.

    Attributes:
        all: Every plugin.
        hdf: The HDF5 writer.
        image: The PVA image.
    """

    def __init__(
        self,
        prefix: str,
        settings: CameraSettings,
        *,
        scene: Callable[[], Scenery],
        ports: Ports,
        options: FileOptions,
    ) -> None:
        self.hdf = HdfPlugin(prefix + "HDF1:", scene=scene, source=SOURCE, ports=ports, options=options)
        self.hdf.pvs["SimRate"].post(settings.disk_rate)
        self.hdf.pvs["SimRate_RBV"].post(settings.disk_rate)
        self.hdf.set_speed()
        self.image = ImagePlugin(prefix + "Pva1:", port="PVA1", source=SOURCE, ports=ports)
        files = [
            FilesPlugin(
                f"{prefix}{port}:",
                kind=f"NDFile{port[:4]}",
                port=port,
                source=SOURCE,
                ports=ports,
                options=FileOptions(),
            )
            for port in ("TIFF1", "JPEG1")
        ]
        for plugin in files:
            plugin.add_image_pvs()
        self._writers: list[FilePlugin] = [self.hdf, *files]
        kinds = {
            "STAT1": StatsPlugin,
            "ROI1": RoiPlugin,
            "ROISTAT1": RoiStatPlugin,
            "PROC1": ProcessPlugin,
            "CB1": CircularBuffer,
        }
        others = [kind(f"{prefix}{port}:", port=port, source=SOURCE, ports=ports) for port, kind in kinds.items()]
        self.all: tuple[NDPlugin, ...] = (*self._writers, *others, self.image)

    @property
    def busy(self) -> bool:
        """Whether one of them has work."""
        return any(plugin.busy for plugin in self.all)

    def update(self, now_ns: int) -> None:
        """Have them deal with what is due; what one passes on, the next may deal with at once."""
        for _ in self.all:
            moved = [plugin.update(now_ns) for plugin in self.all]
            if not any(moved):
                return

    def blocking_ns(self, nbytes: int) -> int:
        """How long the driver is held up by them for every array of so many bytes."""
        return sum(plugin.blocking_ns(nbytes) for plugin in self.all)

    async def drained(self) -> None:
        """Wait until all have dealt with what they were given so far."""
        for plugin in self.all:
            await plugin.drained()

    def power_on(self) -> None:
        """End every capture, as the end of the IOC does."""
        for writer in self._writers:
            writer.end_capture()

    async def run(self) -> None:
        """Write files until cancelled."""
        async with asyncio.TaskGroup() as group:
            for writer in self._writers:
                group.create_task(writer.run(), name=writer.pvs.prefix)
