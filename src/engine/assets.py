"""Asset documents as devices give them, filled in and checked.

Theory of operation. A device does not know its run: `run_start` and `descriptor` are empty, and the `seq_nums` of a
stream_datum are {0, 0}. The engine fills them. Frames are numbered per data key from the stream's counter; when all
devices of a `collect` have spoken, every key that got frames must have reached the same number (`level`). A flight
numbers its frames itself (a frame may be skipped or redone): seq_nums that are not {0, 0} are kept. Either way a
RowMap per key refuses a hole or a repetition in the rows.
"""

from collections.abc import Iterable
from typing import Any

from ..stream_resource.errors import StreamResourceError
from .documents import Document
from .errors import CollectError
from .stream import Stream


class AssetPacker:
    """Knows which resource is of which data key, in one run."""

    def __init__(self) -> None:
        self._data_keys: dict[str, str] = {}
        self._moved: set[str] = set()

    def keys_of(self, assets: Iterable[tuple[str, Document]]) -> dict[str, str]:
        """Give data keys by resource, with the resources that `assets` announce."""
        announced = {doc["uid"]: doc["data_key"] for name, doc in assets if name == "stream_resource"}
        return {**self._data_keys, **announced}

    def fill(self, run: str, stream: Stream | None, name: str, doc: Any, *, single: bool) -> Document | None:
        """Give the document as it belongs into the run; None if it is in the run already.

        Raises:
            CollectError: It does not go on where the run's earlier ones ended.
        """
        match name:
            case "stream_resource":
                return self._resource(run, stream, dict(doc))
            case "stream_datum":
                return self._datum(_known(stream, name), dict(doc), single=single)
            case "resource":
                return {**doc, "run_start": run}
            case "datum":
                return dict(doc)
            case _:
                msg = f"a device gave a {name!r} document; expected stream_resource, stream_datum, resource or datum"
                raise CollectError(msg)

    def _resource(self, run: str, stream: Stream | None, doc: Document) -> Document | None:
        known, key = _known(stream, "stream_resource"), doc["data_key"]
        if key not in known.external_keys:
            announced = sorted(known.external_keys)
            msg = f"stream_resource of {key!r}: stream {known.name!r} announces {announced} as external STREAM: keys"
            raise CollectError(msg)
        if doc["uid"] in self._data_keys:
            return None
        self._data_keys[doc["uid"]] = key
        doc["run_start"] = run
        try:
            known.rowmaps[key].add_resource(_typed(doc))
        except StreamResourceError as error:
            raise CollectError(str(error)) from error
        return doc

    def _datum(self, stream: Stream, doc: Document, *, single: bool) -> Document | None:
        key = self._data_keys.get(doc["stream_resource"])
        if key is None:
            msg = f"stream_datum {doc['uid']} is of the unknown resource {doc['stream_resource']}; give that first"
            raise CollectError(msg)
        width = doc["indices"]["stop"] - doc["indices"]["start"]
        if single and width != 1:
            msg = f"stream_datum {doc['uid']} of {key!r} has {width} frames: expected one for one event"
            raise CollectError(msg)
        doc["descriptor"] = stream.descriptor["uid"]
        if doc["seq_nums"]["start"] == doc["seq_nums"]["stop"] == 0:
            first = stream.next_seq_num[key]
            doc["seq_nums"] = {"start": first, "stop": first + width}
            stream.next_seq_num[key] = first + width
            self._moved.add(key)
        elif not single:
            stream.last_seq_num = max(stream.last_seq_num, doc["seq_nums"]["stop"] - 1)
        try:
            added = stream.rowmaps[key].add_datum(_typed(doc))
        except StreamResourceError as error:
            raise CollectError(str(error)) from error
        return doc if added else None

    def level(self, stream: Stream) -> None:
        """Check that every key that the engine numbers has reached the same number, and make it the stream's.

        Raises:
            CollectError: Devices of one stream gave different numbers of frames.
        """
        reached = {key: stream.next_seq_num[key] - 1 for key in sorted(self._moved & stream.external_keys)}
        self._moved.clear()
        if len(set(reached.values())) > 1:
            msg = f"stream {stream.name!r}: its devices have reached different frames, {reached}; collect them together"
            raise CollectError(msg)
        for last in reached.values():
            stream.last_seq_num = max(stream.last_seq_num, last)
        for key in stream.external_keys if reached else ():
            stream.next_seq_num[key] = stream.last_seq_num + 1


def _known(stream: Stream | None, name: str) -> Stream:
    if stream is None:
        msg = f"a {name} document needs the stream that it belongs to: give collect its name"
        raise CollectError(msg)
    return stream


def _typed(doc: Document) -> Any:
    # RowMap takes event-model's TypedDicts; a dict that came from a device is one only by its keys.
    return doc
