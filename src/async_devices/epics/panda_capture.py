"""PandaCapture: what a PandA writes per trigger, as a detector of a flight.

The DATA block writes one 1-D dataset per captured field. The number of the trigger (COUNTER) and its time
(PCAP.TS_START, seconds since the arming began) are among them, so that its rows are the yardstick for everybody else's.
It is opened (`prepare`) before PCAP is armed, so that no row is missed, and captures for ever, so that rows nobody
expected are seen as well. While it is open a PandaWatch looks for lost triggers and rows: its finding is raised by
`counts`, by `observe_written` and by `finish`, whichever is asked first.

Flushing: a server with `flush_now` is told to flush before rows are read. One without (PandABlocks-ioc) flushes every
block of rows as it comes and counts it in `num_captured` after that: what is counted is readable, and it is enough that
blocks come often (`flush_period`, set when the file is opened).
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from event_model.documents import DataKey

from ...stream_resource.frames import FrameRange
from ..asset_documents import AssetDocuments
from ..errors import (
    AssetsNotReadyError,
    DeviceError,
    IntrospectionError,
    UnsupportedTriggerError,
    WaitTimeoutError,
    WriterError,
)
from ..flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo
from ..observation import Observation
from ..paths import DEFAULT_PATHS, PathInfo, PathProvider
from ..protocols import Hints, StreamDocument
from ..status import Progress, Report, Status
from ..verbs import async_verb, status_verb
from .panda_file import START_TIMES, check_types, identities
from .panda_watch import PandaWatch

if TYPE_CHECKING:
    from .panda import Panda
    from .panda_blocks import DataBlock

CHUNK_ROWS = 1024
TICK = 8e-9
DIRECTORY_LEVELS = 10
DIRECTORY_TIMEOUT = 5.0
FINISH_TIMEOUT = 20.0
FLUSH_PERIOD = 0.1
"""Seconds between blocks of rows, where a flush cannot be asked for."""


class PandaCapture:
    """The DATA block of a PandA; has the PandA's name."""

    identity = Identity.TRIGGER_COUNTER
    parent = None

    def __init__(
        self,
        panda: "Panda",
        *,
        path_provider: PathProvider | None = None,
        counter: str = "COUNTER1.OUT.Value",
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        """Belong to a PandA.

        Args:
            panda: Whose DATA block it is.
            path_provider: Says where files go; None asks the session's.
            counter: The dataset that holds the number of the trigger.
            dtypes: Numpy types of datasets of which the server does not say the true one.
        """
        self._dtypes = dict(dtypes or {})
        self._watching: asyncio.Task[None] | None = None
        self._fault: DeviceError | None = None
        self._observers: weakref.WeakSet[Observation[Any]] = weakref.WeakSet()
        self._checked = False
        self._documents = AssetDocuments()
        self._frames, self._due = 0, 0
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
    def _data(self) -> "DataBlock":
        return self._panda.data

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
            "source": f"{self._data.datasets.source}#{dataset}",
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
        table = await self._data.datasets.get_value()
        told = dict(zip(map(str, table["name"]), map(str, table["dtype"]), strict=True))
        self._datasets = {dataset: self._dtypes.get(dataset, dtype) for dataset, dtype in told.items()}

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
            UnsupportedTriggerError: Through the Status: a row of the stream would be more than one trigger.
        """
        return Status(self._prepare(value), name=f"{self.name} prepare", owner=self._panda.tasks)

    async def _prepare(self, value: TriggerInfo) -> None:
        if value.frames_per_event != value.frames_per_trigger:
            msg = f"{self.name}: writes one row per trigger; {value} makes a row of the stream of several triggers"
            raise UnsupportedTriggerError(msg)
        provider = self._path_provider or DEFAULT_PATHS.get()
        await self._close()
        await self._read_datasets()
        self._check_captured()
        path = await asyncio.to_thread(provider, self.name)
        await self._set_path(path)
        data = self._data
        if "capture_mode" in data:
            await data.capture_mode.put("FOREVER")
        if "flush_now" not in data and "flush_period" in data:
            await data.flush_period.put(FLUSH_PERIOD)
        await data.num_capture.put(0)
        await data.capture.put(True)
        await self._wait_capturing(capturing=True)
        self._path, self._capturing, self._checked = path, True, False
        self._frames, self._due = value.frames, 0
        self._documents.begin()
        self._begin_watch()

    def _begin_watch(self) -> None:
        self._fault = None
        watch = PandaWatch(self._panda, armed=lambda: self._panda.armed)
        self._watching = self._panda.tasks.start(self._watched(watch), name="watch")

    async def _watched(self, watch: PandaWatch) -> None:
        try:
            await watch.run()
        except DeviceError as error:
            self._fault = error
            for observation in list(self._observers):
                observation.fail(error)

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
            await data.create_directory.put(-DIRECTORY_LEVELS)
        await data.hdf_directory.put(str(path.directory))
        await data.hdf_file_name.put(f"{path.filename}.h5")
        if "directory_exists" not in data:
            return
        try:
            await data.directory_exists.wait_for_value(True, timeout=DIRECTORY_TIMEOUT)
        except WaitTimeoutError as error:
            msg = f"{self.name}: the PandA's IOC cannot write to {path.directory}. Is it on a disk that the IOC sees?"
            raise WriterError(msg) from error

    async def _wait_capturing(self, *, capturing: bool) -> None:
        try:
            await self._data.capture.wait_for_value(capturing, timeout=FINISH_TIMEOUT)
        except WaitTimeoutError as error:
            what = "open" if capturing else "close"
            msg = f"{self.name}: the DATA block does not {what} its file; status {await self._status()!r}"
            raise WriterError(msg) from error

    async def _status(self) -> str:
        return str(await self._data.status.get_value()) if "status" in self._data else ""

    @status_verb
    def kickoff(self) -> Status:
        """Arm PCAP, if it is not armed; what triggers it is the design's business.

        Raises:
            AssetsNotReadyError: Through the Status: no file is open.
            AcquireError: Through the Status: PCAP does not become active.
        """
        return Status(self._kickoff(), name=f"{self.name} kickoff", owner=self._panda.tasks)

    async def _kickoff(self) -> None:
        self._told_path()
        self._due += self._frames
        if not self._panda.armed:
            await self._panda.arm()

    @status_verb
    def complete(self) -> Status:
        """Done when the rows of the kickoff are in the file; of an unbounded number, when what came is there.

        Raises:
            PandaFaultError: Through the Status: triggers or rows were lost.
        """
        return Status.reporting(self._complete, name=f"{self.name} complete", owner=self._panda.tasks)

    async def _complete(self, report: Report) -> None:
        due = self._due or await self._drain()
        async for written in self.observe_written():
            report(
                Progress(
                    name=self.name,
                    current=written,
                    initial=0,
                    target=due,
                    unit="rows",
                    precision=0,
                    fraction=min(written / due, 1.0) if due else 1.0,
                )
            )
            if written >= due:
                return

    async def get_index(self) -> int:
        """Rows in the file."""
        return await self._data.num_captured.get_value()

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamDocument]:
        """The file once, then the rows that are new up to `index`, in the device-side form.

        Raises:
            PandaFaultError: Triggers or rows were lost.
        """
        self._raise_fault()
        stop = await self.get_index() if index is None else min(index, await self.get_index())
        if self._path is None or stop <= self._documents.announced:
            return
        if self._capturing:
            await self._flush()
        for document in self._documents.upto(stop, await self.assets()):
            yield document

    async def assets(self) -> tuple[StreamAsset, ...]:
        """Every dataset of the file that is open, or was closed last.

        Raises:
            AssetsNotReadyError: Not prepared.
            PathRefusedError: The server writes elsewhere than it was told.
        """
        path = self._told_path()
        uri = path.uri_of(await self._full_name(path), writer=self.name)
        return tuple(
            StreamAsset(data_key=self._key(dataset), uri=uri, dataset=dataset, chunk_shape=(CHUNK_ROWS,))
            for dataset in self._datasets
        )

    def _told_path(self) -> PathInfo:
        if self._path is None:
            msg = f"{self.name}: no file is open; prepare its capture first"
            raise AssetsNotReadyError(msg)
        return self._path

    async def _full_name(self, path: PathInfo) -> str:
        if "hdf_full_file_path" in self._data:
            return await self._data.hdf_full_file_path.get_value()
        return str(path.directory / f"{path.filename}.h5")

    async def _client_path(self) -> Path:
        path = self._told_path()
        return path.client_path_of(await self._full_name(path), writer=self.name)

    async def counts(self) -> DetectorCounts:
        """Rows that PCAP gave and rows in the file, since arming.

        Raises:
            PandaFaultError: Triggers or rows were lost, or PCAP was disarmed by somebody else.
            WriterError: The file was closed while rows are due.
        """
        self._raise_fault()
        data = self._data
        if self._capturing and not await data.capture.get_value():
            msg = f"{self.name}: the DATA block stopped capturing by itself: {await self._status()}"
            raise WriterError(msg)
        written = await data.num_captured.get_value()
        received = await data.num_received.get_value() if "num_received" in data else None
        return DetectorCounts(exposed=received, written=written, dropped=0 if received is not None else None)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def observe_written(self) -> AsyncIterator[int]:
        """Rows in the file, at every change; ends with the fault if triggers or rows were lost."""
        observation = self._data.num_captured.observe()
        self._observers.add(observation)
        if self._fault is not None:
            observation.fail(self._fault)
        return observation

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """Flush, then read the numbers and the times of the triggers of these rows.

        Raises:
            DatasetTypeError: The file is not what the descriptor says.
        """
        path = await self._client_path()
        if self._capturing:
            await self._flush()
        if not self._checked:
            await asyncio.to_thread(check_types, path, self._datasets, name=self.name)
            self._checked = True
        return await asyncio.to_thread(identities, path, rows, counter=self._counter)

    async def _flush(self) -> None:
        if "flush_now" in self._data:
            await self._data.flush_now.put(True)

    async def pause_at_boundary(self) -> int:
        """Wait until every row that PCAP gave is in the file. PCAP stays armed and the file open.

        The caller has stopped the triggers.

        Returns:
            Rows in the file.
        """
        return await self._drain()

    @status_verb
    def resume(self, frame: int) -> Status:
        """Go on: it has never stopped listening, and a row says itself which trigger it is."""
        del frame
        return Status.finished(name=f"{self.name} resume")

    @status_verb
    def finish(self) -> Status:
        """Wait until every row that PCAP gave is in the file, flush and close it.

        Raises:
            PandaFaultError: Through the Status; the file is closed nevertheless.
        """
        return Status(self._finish(), name=f"{self.name} finish", owner=self._panda.tasks)

    async def _finish(self) -> None:
        try:
            if self._capturing:
                await self._drain()
        finally:
            await self._close()

    async def _drain(self) -> int:
        data, counts = self._data, await self.counts()
        await self._flush()
        if counts.exposed is None:
            return counts.written
        return await data.num_captured.wait_for_value(_at_least(counts.exposed), timeout=FINISH_TIMEOUT)

    async def _close(self) -> None:
        self._capturing = False
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        if await self._data.capture.get_value():
            await self._data.capture.put(False)
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
