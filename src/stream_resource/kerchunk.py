"""Referenced arrays in the two formats of kerchunk, which fsspec's reference file system reads.

Theory of operation. Both hold a Zarr v2 group. Version 1 in JSON is one object: a key of the store to its text, or to
[path, offset, size]. In Parquet it is a directory: `.zmetadata` with all of the JSON, and per array files of
`record_size` rows, row i of file k for chunk k·record_size + i, counted with the last axis fastest (fsspec,
implementations/reference.py, `LazyReferenceMapper`); a row without a path is a chunk that is not there.

Beside each array stands `<name>_valid`, one boolean per row, inside of the references themselves.

Files are named by path: fsspec does not undo the percent-encoding of a URI, and takes a host for a directory.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import UnreachableUriError, UnsupportedLayoutError
from .layout import Layout
from .references import ReferencedArray
from .uris import path_of_uri

VALID_SUFFIX: Final = "_valid"
"""What the name of the array ends with that says which rows are there."""

_VALID_ROWS: Final = 1 << 20
_VALID_LEVEL: Final = 6

Place = tuple[int, ...]
Where = tuple[str, int, int] | bytes
"""Of a chunk: its path, offset and size; or its bytes."""


def kerchunk_json(arrays: Iterable[ReferencedArray], attributes: Mapping[str, Any] | None = None) -> bytes:
    """References of version 1 as JSON.

    Open with `xarray.open_dataset("reference://", engine="zarr", mask_and_scale=False, backend_kwargs={"consolidated":
    False, "storage_options": {"fo": path}})`. Without `mask_and_scale=False` xarray takes the fill value for "no
    number" wherever it is, also in good frames.

    Args:
        arrays: Each with a name of its own.
        attributes: Of the group; JSON types.

    Raises:
        UnsupportedLayoutError: An array cannot be referred to, or two have the same name.
    """
    group = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": json.dumps(dict(attributes or {}))}
    # A text per key: with an object per chunk the garbage collector takes most of the time.
    refs = [f"{json.dumps(key)}: {json.dumps(text)}" for key, text in group.items()]
    for name, (metadata, chunks) in _members(arrays).items():
        refs += (f"{json.dumps(f'{name}/{key}')}: {json.dumps(json.dumps(value))}" for key, value in metadata.items())
        prefix = json.dumps(name)[:-1]
        refs += (f'{prefix}/{".".join(map(str, place))}": {_inlined(where)}' for place, where in chunks)
    return f'{{"version": 1, "refs": {{{", ".join(refs)}}}}}'.encode()


def kerchunk_parquet(
    arrays: Iterable[ReferencedArray], attributes: Mapping[str, Any] | None = None, *, record_size: int = 100_000
) -> dict[str, bytes]:
    """References as the files of a directory: their names in it, which may have a slash, to their bytes.

    Args:
        arrays: As `kerchunk_json`.
        attributes: Of the group; JSON types.
        record_size: How many chunks a file is for.

    Raises:
        UnsupportedLayoutError: As `kerchunk_json`, or pyarrow is not installed.
    """
    metadata: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": dict(attributes or {})}
    files: dict[str, bytes] = {}
    for name, (described, chunks) in _members(arrays).items():
        metadata |= {f"{name}/{key}": value for key, value in described.items()}
        counts = [
            -(-n // size) for n, size in zip(described[".zarray"]["shape"], described[".zarray"]["chunks"], strict=True)
        ]
        numbered = {_number(place, counts): where for place, where in chunks}
        total = int(np.prod(counts, dtype=np.int64))
        for record, first in enumerate(range(0, total, record_size)):
            rows = [numbered.get(n) for n in range(first, min(first + record_size, total))]
            files[f"{name}/refs.{record}.parq"] = _parquet(rows)
    return {".zmetadata": json.dumps({"metadata": metadata, "record_size": record_size}).encode(), **files}


def _members(arrays: Iterable[ReferencedArray]) -> dict[str, tuple[dict[str, Any], Iterator[tuple[Place, Where]]]]:
    """Per array of the group its metadata and its chunks."""
    members: dict[str, tuple[dict[str, Any], Iterator[tuple[Place, Where]]]] = {}
    for array in arrays:
        for name in (array.name, array.name + VALID_SUFFIX):
            if name in members or "/" in name or name.startswith("."):
                msg = f"arrays of a group need names of their own, without slashes: {name!r}"
                raise UnsupportedLayoutError(msg)
        members[array.name] = _metadata(array), _chunks(array)
        members[array.name + VALID_SUFFIX] = _valid_metadata(array), _valid_chunks(array.valid)
    return members


def _chunks(array: ReferencedArray) -> Iterator[tuple[Place, Where]]:
    paths = {dataset.uri: _path(dataset.uri) for dataset in array.datasets.values()}
    for chunk, uri, record in array.references():
        yield chunk, (paths[uri], record.offset, record.nbytes)


def _metadata(array: ReferencedArray) -> dict[str, Any]:
    codecs = array.codecs
    filters = [dict(codec) for codec in codecs.v2_filters] if codecs.v2_filters else None
    compressor = dict(codecs.v2_compressor) if codecs.v2_compressor else None
    zarray = _zarray(
        array.layout, compressor=compressor, filters=filters, fill_value=_fill(array.fill_value, array.layout)
    )
    missing = {"missing_rows": int((~array.valid).sum()), "valid": array.name + VALID_SUFFIX}
    return {".zarray": zarray, ".zattrs": {"_ARRAY_DIMENSIONS": list(_dimensions(array)), **missing}}


def _valid_metadata(array: ReferencedArray) -> dict[str, Any]:
    rows = len(array.valid)
    layout = Layout(shape=(rows,), dtype=np.dtype("|b1"), chunk_shape=(min(max(rows, 1), _VALID_ROWS),))
    zarray = _zarray(layout, compressor={"id": "zlib", "level": _VALID_LEVEL}, filters=None, fill_value=False)
    return {".zarray": zarray, ".zattrs": {"_ARRAY_DIMENSIONS": list(_dimensions(array)[:1])}}


def _zarray(layout: Layout, *, compressor: object, filters: object, fill_value: object) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": list(layout.shape),
        "chunks": list(layout.chunk_sizes),
        "dtype": layout.dtype.str,
        "compressor": compressor,
        "filters": filters,
        "fill_value": fill_value,
        "order": "C",
    }


def _valid_chunks(valid: NDArray[np.bool_]) -> Iterator[tuple[Place, bytes]]:
    size = min(max(len(valid), 1), _VALID_ROWS)
    for i, first in enumerate(range(0, len(valid), size)):
        chunk = np.zeros(size, np.bool_)
        chunk[: len(valid) - first] = valid[first : first + size]
        yield (i,), zlib.compress(chunk.tobytes(), _VALID_LEVEL)


def _dimensions(array: ReferencedArray) -> tuple[str, ...]:
    missing = range(len(array.dimensions), len(array.sources.shape))
    return (*array.dimensions, *(f"{array.name}_{axis}" for axis in missing))


def _fill(value: complex, layout: Layout) -> object:
    """As Zarr v2 writes it; NaN and infinities are strings."""
    item = np.array(value).astype(layout.dtype).item() if layout.dtype.kind in "biufc" else value
    if isinstance(item, complex):
        return [_number_or_name(item.real), _number_or_name(item.imag)]
    return _number_or_name(item) if isinstance(item, float) else item


def _number_or_name(item: float) -> object:
    if isnan(item):
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(item, item)


def _path(uri: str) -> str:
    try:
        return f"file://{path_of_uri(uri)}"
    except UnreachableUriError:
        return uri


def _inlined(where: Where) -> str:
    """As JSON."""
    if isinstance(where, bytes):
        return f'"base64:{base64.b64encode(where).decode()}"'
    path, offset, nbytes = where
    return f"[{json.dumps(path)}, {offset}, {nbytes}]"


def _number(place: Place, counts: list[int]) -> int:
    number = 0
    for i, n in zip(place, counts, strict=True):
        number = number * n + i
    return number


def _parquet(rows: list[Where | None]) -> bytes:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        msg = "references in Parquet need pyarrow, which is not installed: install it, or write JSON (kerchunk_json)"
        raise UnsupportedLayoutError(msg) from error
    ranges = [where if isinstance(where, tuple) else None for where in rows]
    table = arrow.table(
        {
            "path": arrow.array([where and where[0] for where in ranges], arrow.string()),
            "offset": arrow.array([where[1] if where else 0 for where in ranges], arrow.int64()),
            "size": arrow.array([where[2] if where else 0 for where in ranges], arrow.int64()),
            "raw": arrow.array([where if isinstance(where, bytes) else None for where in rows], arrow.binary()),
        }
    )
    buffer = BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
