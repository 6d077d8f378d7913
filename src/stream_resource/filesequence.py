"""Frames that are files of their own: TIFF, JPEG and NPY, one frame or several to a file, named by a template.

Theory of operation. A file is a chunk: it holds `frames_per_file` whole frames, and file k of the sequence has the
name that the template makes of `first_number + k`. Nothing is ever listed; a selection finds its files by arithmetic::

    frames_per_file 2, template "%s%s_%5.5d.tiff", file name "run7"
    frame     0 1 | 2 3 | 4                run7_00000.tiff | run7_00001.tiff | run7_00002.tiff (one frame)

Templates are written as areaDetector has them (`%s` for the directory and the name, `%d` for the number) or as Python
formats do (`{:05d}`). As in bluesky 1.15 (consolidators.py, `MultipartRelatedConsolidator`) the first `%s` is the
`filename` parameter, a second one is empty, the URI is that of the directory, and numbers count from 0. Those read NPY
files by the template `%s_%d.npy` alone, whatever the document says: a producer of NPY files does best to use it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import numpy as np
from event_model.documents.stream_resource import StreamResource

from .errors import UnsupportedLayoutError
from .layout import Index, Layout, Part

SEQUENCE_MIMETYPES: Final = frozenset(
    {
        "multipart/related;type=image/tiff",
        "multipart/related;type=image/jpeg",
        "multipart/related;type=application/x-npy",
    }
)
"""What the `mimetype` of a StreamResource is whose frames are files of their own."""

_C_NUMBER: Final = re.compile(r"%[-+#0 ]*\d*(?:\.\d+)?[di]")
_PYTHON_NUMBER: Final = re.compile(r"\{0?(?::[^{}]*d)?\}")


class FileSlice(NamedTuple):
    """A part of one file and its place in the result: `result[target] = frames_of_file[source]`.

    A file that holds a single frame has no axis for it; `source` counts as if it had.
    """

    uri: str
    source: tuple[Part, ...]
    target: tuple[slice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSequence:
    """A logical array of frames in numbered files.

    Attributes:
        uri: Of the directory, with a slash at its end.
        template: Makes a file name of a number.
        layout: Of the logical array; its leading chunk size is the number of frames per file.
        first_number: That of the first file.

    Example:
        >>> layout = Layout(shape=(5, 4, 4), dtype=np.dtype("u2"), chunk_shape=(2,))
        >>> files = FileSequence(uri="file://localhost/data/", template="run7_%5.5d.tiff", layout=layout)
        >>> [part.uri for part in files.locate(slice(3, None))]
        ['file://localhost/data/run7_00001.tiff', 'file://localhost/data/run7_00002.tiff']

    Raises:
        UnsupportedLayoutError: The template has not just one number in it, the URI is not a directory's, or a frame is
            cut.
    """

    uri: str
    template: str
    layout: Layout
    first_number: int = 0

    def __post_init__(self) -> None:
        numbers = len(_C_NUMBER.findall(self.template)), len(_PYTHON_NUMBER.findall(self.template))
        if sum(numbers) != 1 or not self.uri.endswith("/"):
            msg = (
                f"files {self.template!r} in {self.uri}: expected a directory's URI, which ends with a slash, and one"
                f" number in the name, as %05d or {{:05d}}; seen {sum(numbers)}"
            )
            raise UnsupportedLayoutError(msg)
        if self.layout.chunk_sizes[1:] != tuple(max(n, 1) for n in self.layout.shape[1:]) or not self.layout.shape:
            msg = f"files {self.template!r} hold whole frames: {self.layout.chunk_shape} cuts {self.layout.shape}"
            raise UnsupportedLayoutError(msg)

    @classmethod
    def of_resource(
        cls, doc: StreamResource, *, rows: int, frame_shape: tuple[int, ...], dtype: "np.dtype[Any]"
    ) -> "FileSequence":
        """The files of a StreamResource.

        Args:
            doc: With `template`, and with `filename`, `chunk_shape` and `first_number` where they are needed.
            rows: How many frames the files hold.
            frame_shape: Of one frame.
            dtype: Of one element.

        Raises:
            UnsupportedLayoutError: Its mimetype is none of `SEQUENCE_MIMETYPES`, or it is not a sequence of files.
        """
        parameters = doc["parameters"]
        if doc["mimetype"] not in SEQUENCE_MIMETYPES or "template" not in parameters:
            seen = f"{doc['mimetype']} with parameters {sorted(parameters)}"
            msg = f"{doc['uri']}: expected one of {sorted(SEQUENCE_MIMETYPES)} with a template, seen {seen}"
            raise UnsupportedLayoutError(msg)
        return cls(
            uri=doc["uri"],
            template=_with_name(parameters["template"], str(parameters.get("filename", ""))),
            layout=Layout(
                shape=(rows, *frame_shape), dtype=dtype, chunk_shape=tuple(parameters.get("chunk_shape", ())) or (1,)
            ),
            first_number=int(parameters.get("first_number", 0)),
        )

    @property
    def frames_per_file(self) -> int:
        """How many frames every file but the last holds."""
        return self.layout.chunk_sizes[0]

    @property
    def num_files(self) -> int:
        """How many files there are."""
        return self.layout.chunk_counts[0]

    def uri_of(self, file: int) -> str:
        """The URI of a file; files count from 0.

        Raises:
            UnsupportedLayoutError: There is no such file.
        """
        if not 0 <= file < self.num_files:
            msg = f"files {self.template!r} in {self.uri} are {self.num_files}: there is no file {file}"
            raise UnsupportedLayoutError(msg)
        number = self.first_number + file
        python = _PYTHON_NUMBER.search(self.template)
        written = python.group().format(number) if python else _c_number(self.template) % number
        return self.uri + quote((_PYTHON_NUMBER if python else _C_NUMBER).sub(written, self.template))

    def locate(self, selection: Index | tuple[Index, ...]) -> Iterator[FileSlice]:
        """The parts of files that make up a numpy basic selection; computed as they are asked for.

        Raises:
            SelectionError: As `Layout.locate`.
        """
        return (
            FileSlice(self.uri_of(part.chunk[0]), part.source, part.target) for part in self.layout.locate(selection)
        )


def _c_number(template: str) -> str:
    found = _C_NUMBER.search(template)
    return found.group() if found else ""


def _with_name(template: str, name: str) -> str:
    # A percent sign or brace in the name is not part of the template.
    if set(name) & set("%{}/"):
        msg = f"file name {name!r} holds a character of templates or paths"
        raise UnsupportedLayoutError(msg)
    return template.replace("{:s}", "%s").replace("%s", name, 1).replace("%s", "")
