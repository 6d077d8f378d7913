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
from .filesequence import FileSequence as FileSequence
from .frames import FrameRange as FrameRange
from .frames import RangeSet as RangeSet
from .journal import JournalRecord as JournalRecord
from .kerchunk import kerchunk_json as kerchunk_json
from .kerchunk import kerchunk_parquet as kerchunk_parquet
from .layout import ChunkSlice as ChunkSlice
from .layout import Layout as Layout
from .ratio import Ratio as Ratio
from .references import ReferencedArray as ReferencedArray
from .references import stored_rows as stored_rows
from .reframe import NotPassable as NotPassable
from .rowmap import Held as Held
from .rowmap import Row as Row
from .rowmap import RowMap as RowMap
from .rowmap import Stretch as Stretch
from .runindex import RunIndex as RunIndex
from .sidecar import IndexedDataset as IndexedDataset
from .sidecar import read_sidecar as read_sidecar
from .sidecar import write_sidecar as write_sidecar
from .sourcemap import Region as Region
from .sourcemap import SourceMap as SourceMap
from .sourcemap import logical_rows as logical_rows
from .verdict_column import VerdictColumn as VerdictColumn
from .verdicts import Finding as Finding
from .verdicts import Verdict as Verdict
from .verdicts import Verdicts as Verdicts
