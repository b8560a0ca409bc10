"""The tables. The migrations must lead to exactly these; a test compares them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

VERSION_TABLE = "trema_version"

_UNSAFE = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


class SafeText(TypeDecorator[str]):
    """Any Python string: NUL and lone surrogates, which databases refuse, are escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None or "\\" not in value:
            return value
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)


Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only

metadata = MetaData()

runs = Table(
    "trema_runs",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("id", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    Column("framework", SafeText, nullable=False),
    Column("origin", SafeText, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("exit_code", BigInteger),
    Column("started", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),  # ASCII JSON
    Column("touched", BigInteger, nullable=False, server_default="0"),  # microseconds
    UniqueConstraint("id", name="trema_runs_id"),
    Index("trema_runs_started", "started", "id"),
    Index("trema_runs_touched", "touched"),
)

removed = Table(
    "trema_removed",
    metadata,
    Column("id", SafeText, nullable=False),  # of the run
    Column("touched", BigInteger, nullable=False),  # microseconds
    PrimaryKeyConstraint("id", name="trema_removed_pk"),
)


def _run() -> Column[int]:
    return Column("run", Key, ForeignKey("trema_runs.key", ondelete="CASCADE"), nullable=False)


journals = Table(
    "trema_journals",
    metadata,
    _run(),
    Column("rank", BigInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False),  # bytes
    Column("head", Text, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("exit_code", BigInteger),
    PrimaryKeyConstraint("run", "rank", name="trema_journals_pk"),
)

events = Table(
    "trema_events",
    metadata,
    _run(),
    Column("revision", BigInteger, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("step", BigInteger),
    Column("record", Text, nullable=False),  # ASCII JSON
    PrimaryKeyConstraint("run", "revision", name="trema_events_pk"),
)

# one row a rank; readers join ranks, so that the order of ingestion does not matter
findings = Table(
    "trema_findings",
    metadata,
    _run(),
    Column("segment", BigInteger, nullable=False),
    Column("id", SafeText, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("check", SafeText, nullable=False),
    Column("cause", SafeText, nullable=False),
    Column("severity", SafeText, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # from the document, so that a list of many findings need not read it
    Column("title", SafeText, nullable=False, server_default=""),
    Column("layer", SafeText),
    Column("priority", BigInteger, nullable=False, server_default="0"),  # its "rank"
    Column("explained", Boolean, nullable=False, server_default=false()),
    Column("document", Text, nullable=False),  # ASCII JSON
    PrimaryKeyConstraint("run", "segment", "id", "rank", name="trema_findings_pk"),
    Index("trema_findings_severity", "severity"),
    Index("trema_findings_check", "check"),
)

series = Table(
    "trema_series",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    _run(),
    Column("rank", BigInteger, nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("phase", SafeText, nullable=False),
    Column("fact", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    Column("digest", Text, nullable=False),  # of the five above: names may be too long to index
    Column("points", BigInteger, nullable=False),
    Column("last_block", BigInteger, nullable=False),
    UniqueConstraint("run", "digest", name="trema_series_digest"),
)

blocks = Table(
    "trema_blocks",
    metadata,
    Column("series", Key, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),  # points of the series before this block
    Column("count", BigInteger, nullable=False),
    Column("shape", Text, nullable=False),  # of one value: "" for a number, "64" or "2,3"
    Column("first_step", BigInteger, nullable=False),  # the least
    Column("last_step", BigInteger, nullable=False),  # the greatest
    Column("minimum", Double),
    Column("maximum", Double),
    Column("nonfinite", BigInteger, nullable=False),
    Column("sketch", LargeBinary),  # see thinning.py; NULL for arrays and blocks of old versions
    Column("steps", LargeBinary, nullable=False),  # int64, little endian
    Column("values", LargeBinary, nullable=False),  # float64, little endian
    PrimaryKeyConstraint("series", "number", name="trema_blocks_pk"),
    ForeignKeyConstraint(["series"], ["trema_series.key"], ondelete="CASCADE"),
)

sources = Table(
    "trema_sources",
    metadata,
    _run(),
    Column("digest", Text, nullable=False),  # of the path, which may be too long to index
    Column("path", SafeText, nullable=False),
    Column("text", LargeBinary, nullable=False),  # UTF-8, surrogates as they are
    PrimaryKeyConstraint("run", "digest", name="trema_sources_pk"),
)

# what people did and who may come in: no part of a run

actions = Table(
    "trema_actions",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    Column("id", SafeText, nullable=False),
    Column("time", Double, nullable=False),
    Column("kind", SafeText, nullable=False),
    Column("run", SafeText),  # its id: the run may be deleted, or not be here yet
    Column("data", Text, nullable=False),  # ASCII JSON
    UniqueConstraint("id", name="trema_actions_id"),
)

tokens = Table(
    "trema_tokens",
    metadata,
    Column("id", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    Column("scope", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("id", name="trema_tokens_pk"),
    UniqueConstraint("digest", name="trema_tokens_digest"),
)

claims = Table(
    "trema_claims",
    metadata,
    Column("digest", Text, nullable=False),
    Column("time", BigInteger, nullable=False),  # microseconds
    PrimaryKeyConstraint("digest", name="trema_claims_pk"),
)
