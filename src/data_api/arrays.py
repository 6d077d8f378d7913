"""What an array is: its structure, and which of its frames are good."""

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..stream_resource import FrameRange, Held, RangeSet
from ..stream_resource.arrayindex import ArrayIndex
from .replies import json_reply
from .service import service_of


async def structure(request: Request) -> Response:
    """GET /runs/{uid}/streams/{stream}/{key}: shape, type, and how far the array is; from the documents alone."""
    view = await service_of(request).array(request)
    array = view.array
    leading = (array.frames_per_event,) if array.frames_per_event != 1 else ()
    return json_reply(
        {
            "run": view.run_uid,
            "stream": view.stream,
            "key": view.key,
            "shape": [array.committed, *leading, *array.frame_shape],
            "frame_shape": [*leading, *array.frame_shape],
            "dtype": array.dtype.str,
            "chunk_shape": _chunk_shape(array),
            "planned": view.planned,
            "committed": array.committed,
            "good": array.good.size,
            "rows": array.rowmap.rows,
            "missing": pairs(view.missing),
            "held": [held_document(each) for each in array.held],
            "complete": view.stopped,
            "data_key": array.data_key,
            "resources": {uid: array.rowmap.physical_rows(uid) for uid in array.resources},
        }
    )


async def valid(request: Request) -> Response:
    """GET …/valid: a byte per frame from seq_num 1 to what is committed: 1 has a row known to hold it, 0 has none."""
    view = await service_of(request).array(request)
    last = view.last if view.stopped else view.array.committed
    mask = np.zeros(last, np.uint8)
    for seq_nums in view.array.good & RangeSet([FrameRange(1, last + 1)]):
        mask[seq_nums.start - 1 : seq_nums.stop - 1] = 1
    headers = {"X-Wingbeat-Dtype": "|u1", "X-Wingbeat-Shape": str(last), "Cache-Control": "no-store"}
    return Response(mask.tobytes(), headers=headers, media_type="application/octet-stream")


def _chunk_shape(array: ArrayIndex) -> list[int] | None:
    """The chunk shape that the newest resource announces; None if it says nothing."""
    announced = [doc["parameters"].get("chunk_shape") for doc in array.resources.values()]
    return list(announced[-1]) if announced and announced[-1] else None


def held_document(datum: Held) -> dict[str, Any]:
    """A datum that waits for rows in front of its own, as JSON."""
    return {
        "stream_resource": datum.resource,
        "rows": list(datum.rows),
        "seq_nums": list(datum.seq_nums),
        "waits_for_rows": pairs(datum.waits_for),
    }


def pairs(ranges: RangeSet) -> list[list[int]]:
    """Ranges as JSON: a list of [start, stop), half-open."""
    return [list(each) for each in ranges]
