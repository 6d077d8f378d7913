"""PandaCapture: what a PandA writes per trigger, as a detector of a flight.

The DATA block writes one 1-D dataset per captured field. The number of the trigger (COUNTER) and its time
(PCAP.TS_START, seconds since `start_time_ns`, a root attribute of the file) are among them, so that its rows are the
yardstick for everybody else's. It is opened (`prepare`) before PCAP is armed, so that no row is missed, and captures
for ever, so that rows nobody expected are seen as well.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from event_model.documents import DataKey
from numpy.typing import NDArray

from ...stream_resource.files import read_attribute, read_rows
from ...stream_resource.frames import FrameRange
from ...stream_resource.uris import path_of_uri
from ..errors import AssetsNotReadyError, IntrospectionError, WaitTimeoutError, WriterError
from ..flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo
from ..paths import DEFAULT_PATHS, PathInfo, PathProvider
from ..protocols import Hints
from ..status import Status
from ..verbs import async_verb, status_verb

if TYPE_CHECKING:
    from .panda import Panda
    from .pvi import Block

CHUNK_ROWS = 1024
TICK = 8e-9
DIRECTORY_LEVELS = 10
FINISH_TIMEOUT = 20.0
START_TIMES = "PCAP.TS_START.Value"


class PandaCapture:
    """The DATA block of a PandA; has the PandA's name."""

    identity = Identity.TRIGGER_COUNTER
    parent = None

    def __init__(
        self, panda: "Panda", *, path_provider: PathProvider | None = None, counter: str = "COUNTER1.OUT.Value"
    ) -> None:
        """Belong to a PandA.

        Args:
            panda: Whose DATA block it is.
            path_provider: Says where files go; None asks the session's.
            counter: The dataset that holds the number of the trigger.
        """
        self._panda = panda
        self._path_provider = path_provider
        self._counter = counter
        self._path: PathInfo | None = None
        self._capturing = False
        self._datasets: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The PandA's."""
        return self._panda.name

    @property
    def hints(self) -> Hints:
        """Nothing: its rows are in a file."""
        return {"fields": []}

    @property
    def data_keys(self) -> tuple[str, ...]:
        """One per captured field; known once `describe_collect` or `prepare` has asked."""
        return tuple(self._key(dataset) for dataset in self._datasets)

    def _key(self, dataset: str) -> str:
        # event-model allows no dots in the name of a data key.
        return f"{self.name}-{dataset.lower().replace('.', '-')}"

    @property
    def _data(self) -> "Block":
        return self._panda.block("data")

    async def deadtime(self) -> float:
        """A tick."""
        return TICK

    async def describe_collect(self) -> dict[str, DataKey]:
        """One number per row for each captured field."""
        await self._read_datasets()
        units = {name: scale.units for name, scale in (await self._panda.encoder_scales()).items()}
        return {self._key(dataset): self._datakey(dataset, units) for dataset in self._datasets}

    def _datakey(self, dataset: str, units: dict[str, str]) -> DataKey:
        key: DataKey = {
            "source": f"{self._data['datasets'].source}#{dataset}",
            "dtype": "number",
            "dtype_numpy": np.dtype(self._datasets[dataset]).str,
            "shape": [1],
            "external": "STREAM:",
        }
        block = dataset.partition(".")[0]
        if block in units:
            key["units"] = units[block]
        elif ".TS_" in dataset:
            key["units"] = "s"
        return key

    async def _read_datasets(self) -> None:
        table = await self._data["datasets"].get_value()
        self._datasets = dict(zip(map(str, table["name"]), map(str, table["dtype"]), strict=True))

    @status_verb
    def stage(self) -> Status:
        """Close what is open."""
        return Status(self._close(), name=f"{self.name} stage", owner=self._panda.tasks)

    @status_verb
    def unstage(self) -> Status:
        """Close what is open."""
        return Status(self._close(), name=f"{self.name} unstage", owner=self._panda.tasks)

    @status_verb
    def prepare(self, value: TriggerInfo) -> Status:
        """Open a file; PCAP is armed after that (`panda.arm()`).

        Raises:
            NoPathProviderError: Through the Status.
            WriterError: Through the Status: the directory cannot be made, or capture does not begin.
            IntrospectionError: Through the Status: the number or the time of a trigger is not captured.
        """
        del value  # what comes is written, however much it is
        return Status(self._prepare(), name=f"{self.name} prepare", owner=self._panda.tasks)

    async def _prepare(self) -> None:
        provider = self._path_provider or DEFAULT_PATHS.get()
        await self._close()
        await self._read_datasets()
        self._check_captured()
        path = await asyncio.to_thread(provider, self.name)
        await self._set_path(path)
        data = self._data
        if "capture_mode" in data:
            await data["capture_mode"].put("FOREVER")
        await data["num_capture"].put(0)
        await data["capture"].put(True)
        await self._wait_capturing(capturing=True)
        self._path, self._capturing = path, True

    def _check_captured(self) -> None:
        if missing := [name for name in (self._counter, START_TIMES) if name not in self._datasets]:
            msg = (
                f"{self.name}: does not capture {' and '.join(missing)}, by which frames are recognised; it captures "
                f"{sorted(self._datasets)}. Set the field's capture to 'Value' in the PandA's design"
            )
            raise IntrospectionError(msg)

    async def _set_path(self, path: PathInfo) -> None:
        data = self._data
        if "create_directory" in data:
            await data["create_directory"].put(-DIRECTORY_LEVELS)
        await data["hdf_directory"].put(str(path.directory))
        await data["hdf_file_name"].put(f"{path.filename}.h5")
        if "directory_exists" in data and not await data["directory_exists"].get_value():
            msg = f"{self.name}: the PandA's IOC cannot write to {path.directory}. Is it on a disk that the IOC sees?"
            raise WriterError(msg)

    async def _wait_capturing(self, *, capturing: bool) -> None:
        try:
            await self._data["capture"].wait_for_value(capturing, timeout=FINISH_TIMEOUT)
        except WaitTimeoutError as error:
            what = "open" if capturing else "close"
            msg = f"{self.name}: the DATA block does not {what} its file; status {await self._status()!r}"
            raise WriterError(msg) from error

    async def _status(self) -> str:
        return str(await self._data["status"].get_value()) if "status" in self._data else ""

    async def assets(self) -> tuple[StreamAsset, ...]:
        """Every dataset of the file that is open, or was closed last.

        Raises:
            AssetsNotReadyError: Not prepared.
        """
        path = self._path
        if path is None:
            msg = f"{self.name}: no file is open; prepare its capture first"
            raise AssetsNotReadyError(msg)
        written = PurePosixPath(path.filename + ".h5")
        if "hdf_full_file_path" in self._data:
            written = PurePosixPath(str(await self._data["hdf_full_file_path"].get_value()))
        uri = path.uri_directory + quote(written.name)
        return tuple(
            StreamAsset(data_key=self._key(dataset), uri=uri, dataset=dataset, chunk_shape=(CHUNK_ROWS,))
            for dataset in self._datasets
        )

    async def counts(self) -> DetectorCounts:
        """Rows that PCAP gave and rows in the file, since arming.

        Raises:
            WriterError: The file was closed while rows are due.
        """
        data = self._data
        if self._capturing and not await data["capture"].get_value():
            msg = f"{self.name}: the DATA block stopped capturing by itself: {await self._status()}"
            raise WriterError(msg)
        written = int(await data["num_captured"].get_value())
        received = int(await data["num_received"].get_value()) if "num_received" in data else None
        return DetectorCounts(exposed=received, written=written, dropped=0 if received is not None else None)

    def observe_written(self) -> AsyncIterator[int]:
        """Rows in the file, at every change."""
        return self._data["num_captured"].observe()

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """Flush, then read the numbers and the times of the triggers of these rows."""
        assets = {asset.dataset: asset for asset in await self.assets()}
        if self._capturing:
            await self._data["flush_now"].put(True)
        path = path_of_uri(assets[self._counter].uri)
        return await asyncio.to_thread(_identities, str(path), rows, self._counter)

    @status_verb
    def finish(self) -> Status:
        """Wait until every row that PCAP gave is in the file, flush and close it."""
        return Status(self._finish(), name=f"{self.name} finish", owner=self._panda.tasks)

    async def _finish(self) -> None:
        data = self._data
        if self._capturing and "num_received" in data:
            received = int((await self.counts()).exposed or 0)
            await data["flush_now"].put(True)
            await data["num_captured"].wait_for_value(_at_least(received), timeout=FINISH_TIMEOUT)
        await self._close()

    async def _close(self) -> None:
        self._capturing = False
        if await self._data["capture"].get_value():
            await self._data["capture"].put(False)
            await self._wait_capturing(capturing=False)

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Close the file with what it has."""
        del success
        await self._close()


def _at_least(rows: int) -> Callable[[Any], bool]:
    def reached(seen: Any) -> bool:
        return int(seen) >= rows

    reached.__doc__ = f"{rows} rows in the file"
    return reached


def _identities(path: str, rows: FrameRange, counter: str) -> FrameIdentities:
    """Numbers and times of the triggers of some rows; blocks, so it runs in a thread."""
    numbers: NDArray[np.int64] = np.rint(read_rows(path, counter, rows=rows)).astype(np.int64)
    seconds = read_rows(path, START_TIMES, rows=rows)
    # Nanoseconds are rounded before they are added to the start: float64 has no room for both.
    start_ns = int(read_attribute(path, "start_time_ns"))
    times_ns: NDArray[np.int64] = start_ns + np.rint(seconds * 1e9).astype(np.int64)
    return FrameIdentities(trigger_numbers=numbers, times_ns=times_ns, unique_ids=None)
