"""The catalogue's tables, in types that SQLite and PostgreSQL share.

One row per run. A run's documents are kept as the bytes they came in, except StreamDatums: those are interval rows,
from which the document is composed again (it holds nothing else). `position` orders both kinds together.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

METADATA: Final = MetaData()
_JSON: Final[TypeEngine[Any]] = JSON().with_variant(JSONB(), "postgresql")
_UID: Final[TypeEngine[str]] = String(128)

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", _UID, nullable=False, unique=True),
    Column("scan_id", BigInteger, index=True),
    Column("time", Double[float](), nullable=False),
    Column("plan_name", String(256), index=True),
    Column("exit_status", String(16), index=True),
    Column("start", _JSON, nullable=False),
    Column("stop", _JSON),
    Index("ix_runs_time_position", "time", "position"),
)

DOCUMENTS: Final = Table(
    "documents",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("run", _UID, nullable=False),
    Column("name", String(32), nullable=False),
    Column("uid", _UID, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("uid", "name", name="uq_documents_uid_name"),
    Index("ix_documents_run_position", "run", "position"),
)

DATUMS: Final = Table(
    "datums",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("run", _UID, nullable=False),
    Column("uid", _UID, nullable=False, unique=True),
    Column("descriptor", _UID, nullable=False),
    Column("resource", _UID, nullable=False),
    Column("row_start", BigInteger, nullable=False),
    Column("row_stop", BigInteger, nullable=False),
    Column("seq_start", BigInteger, nullable=False),
    Column("seq_stop", BigInteger, nullable=False),
    Column("verdict", String(16)),
    Index("ix_datums_run_position", "run", "position"),
)

CURSORS: Final = Table(
    "cursors",
    METADATA,
    Column("source", String(256), primary_key=True),
    Column("segment", String(256), nullable=False),
    Column("offset_nbytes", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
