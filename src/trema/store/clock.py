"""The database's clock in SQL: one clock for all processes that write to it."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, func, literal_column

_NOW: dict[str, ColumnElement[int]] = {
    # 'subsec' came with SQLite 3.42 and is no finer than this: milliseconds
    "sqlite": literal_column(
        "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000", BigInteger
    ),
    "postgresql": literal_column(
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)", BigInteger
    ),
}


def now(dialect: str) -> ColumnElement[int]:
    """Microseconds since 1970, not those at which the transaction began."""
    return _NOW[dialect]


def later(dialect: str, than: ColumnElement[int]) -> ColumnElement[int]:
    """The time, or one more than a former value where the clock has not moved past it."""
    greatest = func.greatest if dialect == "postgresql" else func.max
    return greatest(than + 1, now(dialect), type_=BigInteger)
