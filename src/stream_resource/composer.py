"""The one place that builds StreamResource and StreamDatum documents.

Theory of operation. A StreamDatum's `indices` count events of one resource from 0 and leave no hole: consumers add up
`stop - start` (bluesky 1.15, consolidators.py, `consume_stream_datum`), so a hole would shift every later frame. A
new file of the same key is a new resource whose indices start at 0 again (roll-over); bluesky's consolidators need it
to have the same dataset and chunk shape (`update_from_stream_resource`) and would read a file twice that was
announced twice. Both are refused here.

`join_method` is always written: its default is "concat" in bluesky 1.15 and "stack" in bluesky-tiled-plugins 2.0.

The documents are in the form in which a device hands them to an engine: `run_start` and `descriptor` are empty, and
`seq_nums` are {0, 0} unless the caller knows them (event-model, "Documents"; bluesky 1.15, bundlers.py,
`_pack_external_assets`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .errors import ComposeError
from .frames import FrameRange
from .verdicts import VERDICT_KEY, Verdict

NO_SEQ_NUMS = FrameRange(0, 0)
"""The `seq_nums` of a datum whose engine is to number it."""


@dataclass(slots=True, kw_only=True)
class _Open:  # counted up in place: one new record per datum was a third of a datum's time
    uid: str
    dataset: str
    chunk_shape: tuple[int, ...]
    rows: int = 0
    datums: int = 0


def _new_uid() -> str:
    return str(uuid4())


class StreamComposer:
    """Builds the stream documents of one detector, or of several, and refuses those that would lose a frame.

    Args:
        new_uid: Gives the uid of each new resource; uuid4 unless given.

    Example:
        >>> composer = StreamComposer(new_uid=lambda: "r")
        >>> doc = composer.resource("cam", uri="file://localhost/a.h5", dataset="/data", chunk_shape=(1, 4, 4))
        >>> composer.datum("cam", rows=FrameRange(0, 10), seq_nums=FrameRange(1, 11))["uid"]
        'r/0'
    """

    def __init__(self, *, new_uid: Callable[[], str] = _new_uid) -> None:
        self._new_uid = new_uid
        self._open: dict[str, _Open] = {}
        self._seen: set[tuple[str, str]] = set()

    def resource(
        self,
        data_key: str,
        *,
        uri: str,
        dataset: str,
        chunk_shape: tuple[int, ...],
        mimetype: str = "application/x-hdf5",
        swmr: bool = True,
    ) -> StreamResource:
        """Announce a file; later datums of `data_key` count its rows from 0.

        Args:
            data_key: The key of the descriptor whose frames the file holds.
            uri: Where the file is, as `file://localhost/...`.
            dataset: The path of the dataset inside the file.
            chunk_shape: The dataset's chunks, leading axis first; empty for one chunk.
            mimetype: What reads the file.
            swmr: Whether the file can be read while it is written.

        Raises:
            ComposeError: The file was announced for this key before, it differs in dataset or chunks from the key's
                earlier file, or an argument is not usable.
        """
        opened = _Open(uid=self._new_uid(), dataset=dataset, chunk_shape=tuple(int(n) for n in chunk_shape))
        self._check(data_key, uri, opened)
        self._seen.add((data_key, uri))
        self._open[data_key] = opened
        parameters = {
            "dataset": dataset,
            "chunk_shape": list(opened.chunk_shape),
            "swmr": swmr,
            "join_method": "concat",
        }
        return StreamResource(
            uid=opened.uid, run_start="", data_key=data_key, mimetype=mimetype, uri=uri, parameters=parameters
        )

    def _check(self, data_key: str, uri: str, new: _Open) -> None:
        if (data_key, uri) in self._seen:
            msg = f"{data_key!r} was announced in {uri} before: announce each file once, and go on with its datums"
            raise ComposeError(msg)
        if "://" not in uri or not new.dataset:
            msg = f"{data_key!r} needs a URI (file://localhost/...) and a dataset, not {uri!r} and {new.dataset!r}"
            raise ComposeError(msg)
        if any(n < 1 for n in new.chunk_shape):
            msg = f"every chunk of {data_key!r} must be at least 1 long, not {new.chunk_shape}"
            raise ComposeError(msg)
        old = self._open.get(data_key)
        if old and (old.dataset, old.chunk_shape) != (new.dataset, new.chunk_shape):
            msg = (
                f"the next file of {data_key!r} must hold {old.dataset} in chunks {old.chunk_shape} as the one before,"
                f" not {new.dataset} in chunks {new.chunk_shape}: start a new run for another layout"
            )
            raise ComposeError(msg)

    def datum(
        self, data_key: str, *, rows: FrameRange, seq_nums: FrameRange | None = None, verdict: Verdict = Verdict.GOOD
    ) -> StreamDatum:
        """Say that these rows of the key's newest file are written.

        Args:
            data_key: A key that `resource` was called for.
            rows: Events of that file, counted from 0; they must begin where the datum before ended.
            seq_nums: The events' numbers, counted from 1 and as many as rows; None leaves them to the engine.
            verdict: What is known of these frames. UNKNOWN is written into the document: the rows are there, and which
                frames they hold cannot be told; readers must not take them for the frames of these numbers.

        Raises:
            ComposeError: No file is announced, the rows leave a hole or overlap, or the lengths differ.
        """
        opened = self._open.get(data_key)
        if opened is None:
            msg = f"no file is announced for {data_key!r} (announced: {sorted(self._open)}): call resource() first"
            raise ComposeError(msg)
        if rows.start != opened.rows or rows.empty:
            msg = f"rows of {data_key!r} must go on at {opened.rows} and not be empty, not {rows} ({opened.uid})"
            raise ComposeError(msg)
        if seq_nums is not None and (seq_nums.size != rows.size or seq_nums.start < 1):
            msg = f"{rows.size} rows of {data_key!r} need as many seq_nums, counted from 1, not {seq_nums}"
            raise ComposeError(msg)
        numbers = NO_SEQ_NUMS if seq_nums is None else seq_nums
        opened.rows, number = rows.stop, opened.datums
        opened.datums += 1
        datum = StreamDatum(
            uid=f"{opened.uid}/{number}",
            stream_resource=opened.uid,
            descriptor="",
            indices={"start": rows.start, "stop": rows.stop},
            seq_nums={"start": numbers.start, "stop": numbers.stop},
        )
        # event-model lets a stream_datum have further keys; where all is well there is none.
        marked = datum if verdict is Verdict.GOOD else {**datum, VERDICT_KEY: verdict.value}
        return cast("StreamDatum", marked)
