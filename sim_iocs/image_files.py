"""One file per frame: the TIFF and the JPEG plugin.

Theory of operation. A series of files is written by the same desk as an HDF5 file. Names come from the plugin's
template with the file number, which goes up by one per frame, as with AutoIncrement. A TIFF file is written in its
simplest form, one uncompressed strip; a JPEG needs imagecodecs, and eight bits per component.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .file_desk import Layout
from .nd_file import FilePlugin
from .pv import Kind
from .scenery import Pixels, Scenery
from .shots import Shots

_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
_SHORT, _LONG = 3, 4
_HEADER_NBYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLayout:
    """How to write a series of files.

    Attributes:
        scenery: What frames look like.
        template: printf template of (path, name, number).
        parts: Path and name.
        number: File number of the first.
        quality: Of JPEG in percent; None writes TIFF.
    """

    scenery: Scenery
    template: str
    parts: tuple[str, str]
    number: int
    quality: int | None = None

    def make(self, path: Path) -> "ImageSeries":
        """Begin the series; `path`, the name of the first, is made of the same parts."""
        del path
        return ImageSeries(self)


class ImageSeries:
    """Files that are written one after the other.

    Args:
        layout: Names and form.
    """

    def __init__(self, layout: SeriesLayout) -> None:
        self._layout, self._rows = layout, 0
        self._paint = layout.scenery.painter()

    def write(self, shots: Shots) -> int:
        """Write frames, each in a file; gives their number so far.

        Raises:
            OSError: One cannot be written.
        """
        for trigger, x, y, light in shots.looks():
            image = self._paint(x, y, trigger, light)
            name = self._layout.template % (*self._layout.parts, self._layout.number + self._rows)
            Path(name).write_bytes(self._encoded(image))
            self._rows += 1
        return self._rows

    def _encoded(self, image: Pixels) -> bytes:
        quality = self._layout.quality
        return tiff(image) if quality is None else jpeg(image, quality=quality)

    def flush(self) -> int:
        """Every file is complete when it is there."""
        return self._rows

    def close(self) -> int:
        """Nothing is open."""
        return self._rows


class ImagePlugin(FilePlugin):
    """The TIFF or the JPEG plugin: the arguments of `FilePlugin`."""

    @property
    def suffix(self) -> str:
        """What names end in without a template."""
        return "_%3.3d.jpg" if self.jpeg else "_%3.3d.tif"

    @property
    def jpeg(self) -> bool:
        """Whether it writes JPEG."""
        return self.port.startswith("JPEG")

    def add_image_pvs(self) -> None:
        """Add what only this kind has."""
        if self.jpeg:
            self.pvs.pair("JPEGQuality", Kind.INT, 50)

    def next_scenery(self) -> Scenery | None:
        """Every file is made with its frame."""
        return None

    def layout_for(self, scenery: Scenery, shots: Shots | None) -> Layout:
        """Give the layout of a series of such frames."""
        del shots
        if self.jpeg and scenery.frame_dtype.itemsize != 1:
            msg = f"JPEG takes 8 bits per component, not {scenery.frame_dtype}"
            raise OSError(msg)
        return SeriesLayout(
            scenery=scenery,
            template=self.template,
            parts=(str(self.pvs["FilePath"].value), str(self.pvs["FileName"].value)),
            number=int(self.pvs["FileNumber"].value),
            quality=int(self.pvs["JPEGQuality"].value) if self.jpeg else None,
        )

    def _count_files(self, count: int) -> None:
        del count  # counted with the rows, for every frame is a file

    def _post_rows(self) -> None:
        new = self._rows - int(self.pvs["NumCaptured_RBV"].value)
        super()._post_rows()
        if new > 0:
            number = int(self.pvs["FileNumber"].value) + new
            self.pvs["FileNumber"].post(number)
            self.pvs["FileNumber_RBV"].post(number)
            self.pvs["FullFileName_RBV"].post(self._full_name(number - 1))


def tiff(image: Pixels) -> bytes:
    r"""Give an image, (height, width) or (height, width, 3), as a TIFF file in the machine's byte order.

    >>> tiff(np.zeros((2, 3), dtype=np.uint16))[:4]
    b'II*\x00'
    """
    plain = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<"))
    samples = plain.shape[2] if plain.ndim == 3 else 1
    height, width = plain.shape[:2]
    bits, kind = plain.dtype.itemsize * 8, _SAMPLE_FORMATS[plain.dtype.kind]
    count = 10
    behind = _HEADER_NBYTES + 2 + 12 * count + 4
    entries = [
        (256, _LONG, width),
        (257, _LONG, height),
        (258, _SHORT, bits),
        (259, _SHORT, 1),  # not compressed
        (262, _SHORT, 2 if samples == 3 else 1),  # RGB, or black is zero
        (273, _LONG, behind + 4 * samples),
        (277, _SHORT, samples),
        (278, _LONG, height),
        (279, _LONG, plain.nbytes),
        (339, _SHORT, kind),
    ]
    directory = b"".join(
        # Three shorts do not fit into an entry: they stand behind the directory.
        struct.pack("<HHII", tag, kind_, 3, behind + (0 if tag == 258 else 6))
        if samples == 3 and tag in (258, 339)
        else struct.pack("<HHII", tag, kind_, 1, value)
        for tag, kind_, value in entries
    )
    threes = struct.pack("<6H", *([bits] * 3 + [kind] * 3)) if samples == 3 else bytes(4)
    head = struct.pack("<2sHI", b"II", 42, _HEADER_NBYTES) + struct.pack("<H", count)
    return head + directory + struct.pack("<I", 0) + threes + plain.tobytes()


def jpeg(image: Pixels, *, quality: int) -> bytes:
    """Give an 8-bit image as a JPEG file.

    Raises:
        OSError: imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        msg = "the JPEG plugin needs imagecodecs, which is not installed"
        raise OSError(msg) from error
    return bytes(imagecodecs.jpeg8_encode(image, level=quality))
