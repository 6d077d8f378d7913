"""Frames over HTTP: one by seq_num, one by physical row, a slice of the good ones.

One frame is sent in the form the client can take (see negotiation.Form): the stored chunk untouched where it holds
exactly this frame and the client asked for `application/x-hdf5-chunk`; the same bytes with `Content-Encoding:
deflate` where deflate is the only filter; decoded otherwise. A frame's ETag is made of its resource and row, so a
client that holds it is answered 304 before any file is touched. It may be kept for ever once the run has stopped (a
frame of a live run can be redone: it then has a new row, and a new ETag) and if the path names the run by its full
uid (`latest` and prefixes move on).
"""

from collections.abc import AsyncIterator, Sequence

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..stream_resource import FrameRange, RangeSet, Row, Stretch
from ..stream_resource.files import DatasetInfo
from .availability import ArrayView, locate_frame, requested_range
from .chunkcodec import DEFLATE, write_pipeline
from .errors import AbsentError, NotYetWrittenError, UnreadableError
from .negotiation import CHUNK_TYPE, IMMUTABLE, RAW_TYPE, REVALIDATE, VARY, Form, accepted_forms, etag, matched
from .replies import PART_NBYTES, PartsResponse, whole_number
from .service import DataService, service_of, source_of
from .storeddataset import Source, StoredChunk

BLOCK_NBYTES = 16 * PART_NBYTES


async def frame(request: Request) -> Response:
    """GET …/frames/{seq_num}: the newest good row of one frame."""
    service = service_of(request)
    view = await service.array(request)
    seq_num = whole_number(request, "seq_num") or 0
    row = locate_frame(view, seq_num)
    final = view.stopped and request.path_params["uid"] == view.run_uid
    headers = {"X-Wingbeat-Seq-Num": str(seq_num), "Cache-Control": IMMUTABLE if final else REVALIDATE}
    return await _one(request, view, row=row, headers=headers)


async def row(request: Request) -> Response:
    """GET …/rows/{row}: one physical row, counted over the resources in order of arrival, superseded ones with them."""
    service = service_of(request)
    view = await service.array(request)
    number = whole_number(request, "row")
    found = physical_row(view, -1 if number is None else number)
    full = request.path_params["uid"] == view.run_uid
    headers = {"X-Wingbeat-Row": str(number), "Cache-Control": IMMUTABLE if full and view.stopped else REVALIDATE}
    return await _one(request, view, row=found, headers=headers)


def physical_row(view: ArrayView, number: int) -> Row:
    """The row with this number over all resources.

    Raises:
        NotYetWrittenError: It is not committed, and the run goes on.
        AbsentError: There is none.
    """
    rowmap = view.array.rowmap
    where = f"row {number} of {view.name} in run {view.run_uid}"
    before = 0
    for resource in view.array.resources:
        rows = rowmap.physical_rows(resource)
        if before <= number < before + rows:
            return Row(resource, number - before)
        before += rows
    if number >= 0 and not view.stopped:
        raise NotYetWrittenError(
            f"{where} is not written yet", expected=str(number), seen=f"{before} committed", do="ask again"
        )
    raise AbsentError(f"{where} does not exist", expected=f"a row from 0 to {before - 1}", seen=str(number))


async def _one(request: Request, view: ArrayView, *, row: Row, headers: dict[str, str]) -> Response:
    forms = accepted_forms(request.headers)
    headers["Vary"] = VARY
    held = matched(request.headers.get("if-none-match", ""), [etag(*row, form) for form in sorted(forms)])
    if held is not None:
        return Response(status_code=304, headers={**headers, "ETag": held})
    reader = service_of(request).reader
    source, rows = source_of(view.array, row.resource), view.array.file_rows(FrameRange(row.row, row.row + 1))
    info = checked(view, source, await reader.info(source))
    headers |= {"X-Wingbeat-Dtype": info.dtype.str, "X-Wingbeat-Shape": numbers(frame_shape(view, info))}
    stored = await reader.stored(source, rows) if len(forms) > 1 or not info.filters else None
    if stored is not None and (form := _form_of(stored, forms)) is not None:
        return _stored_reply(stored, form, {**headers, "ETag": etag(*row, form)})
    payload = (await reader.rows(source, rows)).tobytes()
    return Response(payload, headers={**headers, "ETag": etag(*row, Form.RAW)}, media_type=RAW_TYPE)


def _form_of(stored: StoredChunk, forms: frozenset[Form]) -> Form | None:
    """The form in which stored bytes can be sent as they are, or None."""
    if not stored.pipeline:
        return Form.RAW
    if Form.CHUNK in forms:
        return Form.CHUNK
    only_deflate = [step.id for step in stored.pipeline] == [DEFLATE]
    return Form.DEFLATE if only_deflate and Form.DEFLATE in forms else None


def _stored_reply(stored: StoredChunk, form: Form, headers: dict[str, str]) -> Response:
    if form is Form.CHUNK:
        headers["X-Wingbeat-Filters"] = write_pipeline(stored.pipeline)
    if form is Form.DEFLATE:
        headers["Content-Encoding"] = "deflate"
    return Response(stored.payload, headers=headers, media_type=CHUNK_TYPE if form is Form.CHUNK else RAW_TYPE)


async def frames(request: Request) -> Response:
    """GET …/frames?start=&stop=: the good frames of a half-open range of seq_nums, one after the other."""
    service = service_of(request)
    view = await service.array(request)
    asked = requested_range(view, whole_number(request, "start"), whole_number(request, "stop"))
    stretches = list(view.array.stretches(asked))
    info = await _common_info(service, view, stretches)
    for stretch in stretches:  # before the status is sent: a file that is gone or short is a 502, not a broken reply
        await service.reader.check(source_of(view.array, stretch.resource), view.array.file_rows(stretch.rows))
    good = RangeSet(stretch.seq_nums for stretch in stretches)
    shape = (good.size, *(frame_shape(view, info) if info else view.array.item_shape))
    dtype = info.dtype if info else view.array.dtype
    headers = {
        "X-Wingbeat-Dtype": dtype.str,
        "X-Wingbeat-Shape": numbers(shape),
        "X-Wingbeat-Seq-Nums": ranges(good),
        "X-Wingbeat-Missing": ranges(good.gaps(asked)),
        "Cache-Control": "no-store",
    }
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return PartsResponse(_buffers(service, view, stretches), nbytes=nbytes, headers=headers, media_type=RAW_TYPE)


async def _common_info(service: DataService, view: ArrayView, stretches: Sequence[Stretch]) -> DatasetInfo | None:
    """What the datasets of a slice have in common; they must agree on type and shape."""
    common: DatasetInfo | None = None
    for resource in dict.fromkeys(stretch.resource for stretch in stretches):
        source = source_of(view.array, resource)
        info = checked(view, source, await service.reader.info(source))
        if common is not None and (info.dtype, info.shape[1:]) != (common.dtype, common.shape[1:]):
            detail = f"{source.path}: {source.dataset} does not continue the files before it"
            expected, seen = f"{common.dtype} {common.shape[1:]}", f"{info.dtype} {info.shape[1:]}"
            raise UnreadableError(detail, expected=expected, seen=seen, do="ask for its frames one by one")
        common = info
    return common


async def _buffers(service: DataService, view: ArrayView, stretches: Sequence[Stretch]) -> AsyncIterator[memoryview]:
    """Decoded frames in blocks of about 16 MB at the most."""
    for stretch in stretches:
        source, rows = source_of(view.array, stretch.resource), view.array.file_rows(stretch.rows)
        info = await service.reader.info(source)
        row_nbytes = max(1, int(np.prod(info.shape[1:], dtype=np.int64)) * info.dtype.itemsize)
        chunk = info.chunk_shape[0] if info.chunk_shape else 1
        step = max(1, BLOCK_NBYTES // row_nbytes // chunk) * chunk
        start = rows.start
        while start < rows.stop:
            stop = min(rows.stop, (start // chunk) * chunk + step)  # blocks end where chunks end: none is decoded twice
            block = await service.reader.rows(source, FrameRange(start, stop))
            if block.nbytes:
                yield np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
            start = stop


def checked(view: ArrayView, source: Source, info: DatasetInfo) -> DatasetInfo:
    """The dataset's info, if its rows have the size that the documents say.

    Raises:
        UnreadableError: They have another.
    """
    if np.prod(info.shape[1:], dtype=np.int64) == np.prod(view.array.frame_shape, dtype=np.int64):
        return info
    raise UnreadableError(
        f"{source.path}: {source.dataset} is not what the run's documents describe for {view.name}",
        expected=f"rows of shape {view.array.frame_shape}",
        seen=f"{info.shape[1:]}",
        do="check the detector's description",
    )


def frame_shape(view: ArrayView, info: DatasetInfo) -> tuple[int, ...]:
    """The shape of what one seq_num holds: a row of the file, or several where an event has several frames."""
    n = view.array.frames_per_event
    return info.shape[1:] if n == 1 else (n, *info.shape[1:])


def numbers(shape: Sequence[int]) -> str:
    """A shape as header text; empty for a scalar."""
    return ",".join(map(str, shape))


def ranges(frames: RangeSet) -> str:
    """Ranges as header text: half-open, as in `1:101,103:201`."""
    return ",".join(map(str, frames))
