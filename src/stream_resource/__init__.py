"""What a stream is, and where frame i lives: ranges of frames, stream documents, row maps, layouts, journal framing.

Everything here is pure but `files` (the only importer of h5py) and the readers on it, which are imported by name:
`from wingbeat.stream_resource.reader import open_run`.
"""

from .chunkindex import ChunkIndex as ChunkIndex
from .chunkindex import ChunkRecord as ChunkRecord
from .codecs import Passthrough as Passthrough
from .codecs import passthrough as passthrough
from .composer import StreamComposer as StreamComposer
from .errors import StreamResourceError as StreamResourceError
from .frames import FrameRange as FrameRange
from .frames import RangeSet as RangeSet
from .journal import JournalRecord as JournalRecord
from .layout import ChunkSlice as ChunkSlice
from .layout import Layout as Layout
from .reframe import NotPassable as NotPassable
from .rowmap import Row as Row
from .rowmap import RowMap as RowMap
from .rowmap import Stretch as Stretch
from .runindex import RunIndex as RunIndex
from .verdicts import Finding as Finding
from .verdicts import Verdict as Verdict
from .verdicts import Verdicts as Verdicts
