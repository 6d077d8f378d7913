"""The file of one capture: what will be in it, what is in it, and who each frame is.

Theory of operation. A data key is described before the first frame, from the settings of everything between camera and
writer. The plug-in opens its file with the first frame (see hdf_plugin). Then the file itself is looked at, once: if a
dataset has another shape or type than described, or is not there, the capture is refused before a document names it.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from event_model.documents import DataKey

from ...stream_resource.errors import UnreadableError
from ...stream_resource.files import DatasetInfo, dataset_info, read_identities
from ...stream_resource.frames import FrameRange
from ..errors import AssetsNotReadyError, FrameLayoutError
from ..flight import FrameIdentities, StreamAsset
from ..paths import PathInfo
from .ad_attributes import FrameColumn
from .ad_chain import PluginChain
from .ad_layout import FrameLayout
from .hdf_plugin import HdfPlugin

DATASET = "/entry/data/data"


class CaptureFile:
    """One file at a time."""

    def __init__(self, writer: HdfPlugin, chain: PluginChain, *, columns: Sequence[FrameColumn]) -> None:
        self._writer, self._chain = writer, chain
        self._columns = tuple(columns)
        self._info: PathInfo | None = None
        self._layout: FrameLayout | None = None
        self._assets: tuple[StreamAsset, ...] = ()
        self._path: Path | None = None

    def keys(self, name: str) -> tuple[str, ...]:
        """The data keys of a detector called so: the frames, then the columns."""
        return (name, *(f"{name}-{column.suffix}" for column in self._columns))

    @property
    def known(self) -> bool:
        """Whether a file was opened since the detector was made."""
        return self._info is not None

    async def open(self, info: PathInfo) -> None:
        """Wire the writer, describe what will come, and begin to capture.

        Raises:
            PluginChainError: Frames would not all arrive.
            FrameLayoutError: What will arrive cannot be foretold.
            WriterError: The file cannot be written there.
        """
        self._assets, self._path = (), None
        await self._chain.connect_writer()
        self._layout = await self._chain.layout()
        await self._chain.reset_dropped()
        await self._writer.open(info)
        self._info = info

    async def describe(self, name: str, *, frames_per_event: int) -> dict[str, DataKey]:
        """The data keys as they will be written."""
        layout = self._layout or await self._chain.layout()
        key: DataKey = {
            "source": self._writer.full_file_name.source,
            "dtype": "array",
            "dtype_numpy": layout.dtype.str,
            "shape": [frames_per_event, *layout.shape],
            "dims": ["frame", *layout.dims],
            "external": "STREAM:",
        }
        columns = {f"{name}-{column.suffix}": self._column(column, frames_per_event) for column in self._columns}
        return {name: key, **columns}

    def _column(self, column: FrameColumn, frames_per_event: int) -> DataKey:
        key: DataKey = {
            "source": f"{self._writer.full_file_name.source}#{column.dataset}",
            "dtype": "number" if frames_per_event == 1 else "array",
            "dtype_numpy": column.dtype,
            "shape": [frames_per_event],
            "external": "STREAM:",
        }
        if column.units is not None:
            key["units"] = column.units
        return key

    def forget_layout(self) -> None:
        """Describe by the settings as they are now, from here on."""
        self._layout = None

    async def assets(self, name: str) -> tuple[StreamAsset, ...]:
        """The datasets of the file, once the first frame is in it, until the next is opened.

        Raises:
            AssetsNotReadyError: No file, no frame yet, or the file is not visible from here yet.
            FrameLayoutError: The file holds something else than described.
            PathRefusedError: It lies elsewhere than told.
        """
        if not self._assets:
            self._assets = await self._look(name)
        return self._assets

    async def _look(self, name: str) -> tuple[StreamAsset, ...]:
        writer, info, layout = self._writer, self._info, self._layout
        if info is None or layout is None:
            msg = f"{writer.name}: no file is open; prepare it first"
            raise AssetsNotReadyError(msg)
        full_name = await writer.full_file_name.get_value()
        if not full_name:
            msg = f"{writer.name}: no file yet; it is opened with the first frame"
            raise AssetsNotReadyError(msg)
        uri = info.uri_of(full_name, writer=writer.name)
        path = info.client_path_of(full_name, writer=writer.name)
        found = await asyncio.to_thread(self._datasets, path)
        self._check_frames(found[0], layout, path)
        self._path = path
        names = (DATASET, *(column.dataset for column in self._columns))
        return tuple(
            StreamAsset(data_key=key, uri=uri, dataset=dataset, chunk_shape=each.chunk_shape or (1, *each.shape[1:]))
            for key, dataset, each in zip(self.keys(name), names, found, strict=True)
        )

    def _datasets(self, path: Path) -> list[DatasetInfo]:
        """Look into the file; blocks, so it runs in a thread."""
        try:
            frames = dataset_info(path, DATASET)
        except UnreadableError as error:
            msg = f"{self._writer.name}: {path} cannot be read from here yet: {error}"
            raise AssetsNotReadyError(msg) from error
        return [frames, *(self._checked_column(path, column) for column in self._columns)]

    def _checked_column(self, path: Path, column: FrameColumn) -> DatasetInfo:
        try:
            found = dataset_info(path, column.dataset)
        except UnreadableError as error:
            msg = (
                f"{self._writer.name}: expected {column.dataset} in {path}, seen none. Does NDAttributesFile of the "
                f"IOC name it, and is {self._writer.store_attributes.source} Yes?"
            )
            raise FrameLayoutError(msg) from error
        if found.dtype != np.dtype(column.dtype) or len(found.shape) != 1:
            msg = (
                f"{self._writer.name}: {column.dataset} in {path} was described as one {column.dtype} per frame, seen "
                f"{found.dtype.str} of shape {found.shape}"
            )
            raise FrameLayoutError(msg)
        return found

    def _check_frames(self, found: DatasetInfo, layout: FrameLayout, path: Path) -> None:
        seen, expected = (found.shape[1:], found.dtype.str), (layout.shape, layout.dtype.str)
        if seen != expected:
            msg = (
                f"{self._writer.name}: {path} holds frames of {seen[0]} {seen[1]}, described as {expected[0]} "
                f"{expected[1]}. Was the camera's size, type or colour changed after it was prepared? Prepare it again"
            )
            raise FrameLayoutError(msg)

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """Stamps and ids of rows of the file; the caller has flushed.

        Raises:
            AssetsNotReadyError: No file is known.
        """
        if self._path is None:
            msg = f"{self._writer.name}: no file is known; ask for its assets first"
            raise AssetsNotReadyError(msg)
        found = await asyncio.to_thread(read_identities, self._path, rows=rows)
        return FrameIdentities(trigger_numbers=None, times_ns=found.times_ns, unique_ids=found.unique_ids)
