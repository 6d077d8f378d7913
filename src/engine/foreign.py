"""Documents for consumers that know nothing of redone rows: `RE.subscribe(foreign(TiledWriter(client)))`.

Theory of operation. Whether a row is redone is known for certain at the end of the run, and no document can be called
back. So start and descriptors go to the callback at once, and everything else is held until stop: in a file without a
name once it is larger than `HELD_NBYTES`, so that memory does not grow with the run. (Resource and Datum documents, the
older form of assets, go at once as well: nothing here changes them.) At stop the run is told as it was if no row was
redone and no frame is missing, else in the foreign form (stream_resource.foreign), with one more HDF5 file: the virtual
datasets of the good rows.

A key whose good rows cannot be put together (its file is gone, or is no HDF5, or the new file cannot be written) is
left out: it is absent rather than wrong, and the stop document and the log say why.

All of this blocks, so it runs where the callback runs: in the subscriber's own thread, or for an `async` callback in a
worker thread that its task awaits. A run of which the start was not seen is passed on as it comes.
"""

import asyncio
import inspect
import logging
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import quote

import orjson

from ..stream_resource.errors import StreamResourceError
from ..stream_resource.files import check_virtual, write_virtual
from ..stream_resource.foreign import ForeignForm
from ..stream_resource.foreign_plan import Document, ForeignPlan

log = logging.getLogger(__name__)

HELD_NBYTES = 8 * 1024**2
"""Up to so many bytes of a run are held in memory, the rest in a temporary file."""

BATCH_DOCUMENTS = 64
"""How many documents an async callback gets between two hand-overs to the worker thread."""

_AT_ONCE = frozenset({"start", "descriptor", "resource", "datum", "datum_page"})

Callback = Callable[[str, dict[str, Any]], Any]


def foreign(callback: Callback, *, directory: Path | str | None = None) -> Callback:
    """A subscriber that gives `callback` each run in the foreign form.

    Args:
        callback: Called with a document's name and the document, as any subscriber; a function or a coroutine function.
        directory: Where files with virtual datasets are made, as `<run uid>-good.h5`; beside the run's newest file
            unless given. Whoever reads the run must see it under the same path.

    Example:
        >>> heard = []
        >>> subscriber = foreign(lambda name, doc: heard.append(name))
        >>> for name, doc in (("start", {"uid": "r"}), ("stop", {"uid": "s", "run_start": "r"})):
        ...     _ = subscriber(name, doc)
        >>> heard
        ['start', 'stop']
    """
    runs = _Runs(None if directory is None else Path(directory))
    name = getattr(callback, "__qualname__", type(callback).__qualname__)
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None)):  # noqa: B004

        async def tell_async(name: str, doc: dict[str, Any]) -> None:
            told = runs.told(name, doc)
            while batch := await asyncio.to_thread(list, islice(told, BATCH_DOCUMENTS)):
                for document in batch:
                    await callback(*document)

        tell_async.__qualname__ = f"foreign({name})"
        return tell_async

    def tell(name: str, doc: dict[str, Any]) -> None:
        for document in runs.told(name, doc):
            callback(*document)

    tell.__qualname__ = f"foreign({name})"
    return tell


class _Runs:
    """The runs that go on; blocks."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._held: dict[str, _HeldRun] = {}
        self._run_of: dict[str, str] = {}

    def told(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """What the callback gets for this document."""
        uid = self._run(name, doc)
        if name == "start":
            self._held[uid] = _HeldRun()
        if name == "descriptor":
            self._run_of[doc["uid"]] = uid
        held = self._held.get(uid)
        if held is not None:
            held.form.apply(name, doc)
        if held is None or name in _AT_ONCE:
            yield name, doc
            return
        held.hold(name, doc)
        if name == "stop":
            try:
                yield from held.told(self._directory)
            finally:
                self._forget(uid)

    def _run(self, name: str, doc: dict[str, Any]) -> str:
        if name == "start":
            return doc["uid"]
        return doc["run_start"] if "run_start" in doc else self._run_of.get(doc.get("descriptor", ""), "")

    def _forget(self, uid: str) -> None:
        self._held.pop(uid).close()
        self._run_of = {descriptor: run for descriptor, run in self._run_of.items() if run != uid}


class _HeldRun:
    """The documents of one run since its start."""

    def __init__(self) -> None:
        self.form = ForeignForm()
        self._file = SpooledTemporaryFile(max_size=HELD_NBYTES)  # noqa: SIM115 (closed at stop, or with its run)
        self.close = weakref.finalize(self, self._file.close)

    def hold(self, name: str, doc: dict[str, Any]) -> None:
        self._file.write(orjson.dumps((name, doc), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))

    def told(self, directory: Path | None) -> Iterator[Document]:
        plan = self.form.plan()
        if not plan.datasets:
            yield from plan.documents(self._documents(), uri="")
            return
        newest = plan.datasets[-1].runs[-1].path
        path = (directory or newest.parent).absolute() / f"{plan.run}-good.h5"
        plan, growing = _made(plan, path)
        yield from plan.documents(self._documents(), uri=f"file://localhost{quote(path.as_posix())}", swmr=growing)

    def _documents(self) -> Iterator[Document]:
        self._file.seek(0)
        for line in self._file:
            name, doc = orjson.loads(line)
            yield name, doc


def _made(plan: ForeignPlan, path: Path) -> tuple[ForeignPlan, bool]:
    """Write the plan's datasets; what of it there is, and whether a file behind it is still open in its writer."""
    growing, reasons = False, dict[str, str]()
    for dataset in plan.datasets:
        try:
            growing = check_virtual(dataset) or growing
        except StreamResourceError as error:
            reasons[dataset.name] = str(error)
    there = [dataset for dataset in plan.datasets if dataset.name not in reasons]
    if there:
        try:
            write_virtual(path, there)
        except StreamResourceError as error:
            reasons |= {dataset.name: str(error) for dataset in there}
    for name, reason in reasons.items():
        log.warning("run %s: %s is left out of the foreign form: %s", plan.run, name, reason)
    return plan.without(reasons), growing
