"""The HDF5 plugin (HDF1:): what a file plugin does, with the PVs of areaDetector's NDFileHDF5."""

from collections.abc import Callable

from .camera_settings import Trap
from .file_desk import Layout
from .hdf_codecs import BLOSC_COMPRESSORS, BLOSC_SHUFFLES, COMPRESSIONS, NEED_IMAGECODECS, Compression, available
from .hdf_file import FileLayout
from .nd_file import FileOptions, FilePlugin
from .ndarray import COLOR_MODES, NO_YES, OFF_ON, Ports
from .pv import Kind
from .scenery import Scenery
from .shots import Shots


class HdfPlugin(FilePlugin):
    """The HDF5 writer of one detector.

    Args:
        prefix: PV prefix, as SIM:CAM:HDF1:.
        scene: What the detector's frames would look like now.
        source: Port name of the detector.
        ports: Where arrays go; its own by default, for a detector that calls `accept` itself.
        options: How files are written, and what goes wrong.
    """

    attributes_nbytes = 2048

    def __init__(
        self,
        prefix: str,
        *,
        scene: Callable[[], Scenery],
        source: str,
        ports: Ports | None = None,
        options: FileOptions | None = None,
    ) -> None:
        self._scene = scene
        self._last_scenery: Scenery | None = None
        self._spoiled = False
        super().__init__(
            prefix,
            kind="NDFileHDF5 ver1.10.1",
            port="HDF1",
            source=source,
            ports=ports or Ports(),
            options=options or FileOptions(),
        )
        self._add_hdf_pvs()

    @property
    def opens_late(self) -> bool:
        """Whether the file is made with the first frame."""
        return bool(self.pvs["LazyOpen"].value)

    def accept(self, scenery: Scenery, shots: Shots) -> None:
        """Queue arrays but those that a fault drops."""
        self._last_scenery = scenery
        dropped = self.faults.drop_frames
        if dropped and self.enabled:
            kept = [int(trigger) not in dropped for trigger in shots.trigger]
            self.drop(kept.count(False))
            shots = shots.rows([k for k, keep in enumerate(kept) if keep])
        super().accept(scenery, shots)

    def next_scenery(self) -> Scenery | None:
        """What the frames will look like; with a trap, what they looked like before."""
        return self._last_scenery if self.trapped(Trap.STALE_LAYOUT) else self._scene()

    def layout_for(self, scenery: Scenery, shots: Shots | None) -> Layout:
        """Give the layout of a file of such frames."""
        frames = max(1, self._int("NumFramesChunks"))
        attributes = shots.attributes.items() if shots is not None else ()
        self._spoil()
        return FileLayout(
            scenery=scenery,
            chunk_frames=frames,
            frames_per_flush=max(frames, self._int("NumFramesFlush")),
            swmr=bool(self.pvs["SWMRMode"].value),
            compression=self._compression(),
            limit=self._int("NumCapture"),
            attribute_chunk=self._int("NDAttributeChunk"),
            store_attributes=bool(self.pvs["StoreAttr"].value),
            attributes=tuple((name, column.dtype.str) for name, column in attributes),
            color=COLOR_MODES.index("RGB1" if len(scenery.frame_shape) == 3 else "Mono"),
            zero_rows=self.trapped(Trap.ZERO_ROWS),
            phantom_row=self.trapped(Trap.PHANTOM_ROW) and not self.opens_late,
            temporary=str(self.pvs["TempSuffix"].value),
        )

    def _spoil(self) -> None:
        if not (self.trapped(Trap.POSITION_MODE_KILLS) and self.pvs["PositionMode"].value):
            return
        if self._spoiled:
            self.abort()
        self._spoiled = True
        msg = "PositionMode is On, but no attribute gives the frame's position"
        raise OSError(msg)

    def _compression(self) -> Compression:
        name = self.pvs["Compression_RBV"].label
        return Compression(
            name=name,
            level=self._int("ZLevel" if name == "zlib" else "BloscLevel"),
            blosc_compressor=self._int("BloscCompressor"),
            blosc_shuffle=self._int("BloscShuffle"),
        )

    def _int(self, suffix: str) -> int:
        return int(self.pvs[suffix].value)

    async def _put_compression(self, index: int) -> None:
        self.pvs["Compression"].post(index)
        name = COMPRESSIONS[index]
        if available(name) and not (self.trapped(Trap.ABSENT_FILTERS) and name in NEED_IMAGECODECS):
            self.pvs["Compression_RBV"].post(index)

    def _add_hdf_pvs(self) -> None:
        pvs = self.pvs
        pvs.enum("Compression", COMPRESSIONS, handler=self._put_compression)
        pvs.enum("Compression_RBV", COMPRESSIONS, read_only=True)
        pvs.pair("ZLevel", Kind.INT, 6)
        pvs.pair("BloscLevel", Kind.INT, 5)
        pvs.pair("BloscCompressor", Kind.ENUM, 0, choices=BLOSC_COMPRESSORS)
        pvs.pair("BloscShuffle", Kind.ENUM, 1, choices=BLOSC_SHUFFLES)
        pvs.pair("SWMRMode", Kind.ENUM, 0, choices=OFF_ON)
        pvs.enum("SWMRSupported_RBV", ("Not Supported", "Supported"), value=1, read_only=True)
        pvs.pair("PositionMode", Kind.ENUM, 0, choices=OFF_ON)
        pvs.pair("StoreAttr", Kind.ENUM, 1, choices=NO_YES)
        pvs.pair("StorePerform", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("ChunkSizeAuto", Kind.ENUM, 0, choices=NO_YES)
        pvs.enum("FlushNow", ("Done", "Flush"), handler=self._flush)
        pvs.pair("XMLFileName", Kind.TEXT, "", length=2048)
        pvs.enum("XMLValid_RBV", NO_YES, value=1, read_only=True)
        for suffix in ("NumExtraDims", "NumFramesChunks", "NumFramesFlush", "NDAttributeChunk"):
            pvs.pair(suffix, Kind.INT, 0)
