"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _run() -> "sa.Column[int]":
    return sa.Column(
        "run", _KEY, sa.ForeignKey("trema_runs.key", ondelete="CASCADE"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "trema_runs",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("framework", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("exit_code", sa.BigInteger),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="trema_runs_id"),
    )
    op.create_index("trema_runs_started", "trema_runs", ["started", "id"])
    op.create_table(
        "trema_journals",
        _run(),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("exit_code", sa.BigInteger),
        sa.PrimaryKeyConstraint("run", "rank", name="trema_journals_pk"),
    )
    op.create_table(
        "trema_events",
        _run(),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("step", sa.BigInteger),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "revision", name="trema_events_pk"),
    )
    op.create_table(
        "trema_findings",
        _run(),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("check", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "segment", "id", "rank", name="trema_findings_pk"),
    )
    op.create_index("trema_findings_severity", "trema_findings", ["severity"])
    op.create_index("trema_findings_check", "trema_findings", ["check"])
    op.create_table(
        "trema_series",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        _run(),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("last_block", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("run", "digest", name="trema_series_digest"),
    )
    op.create_table(
        "trema_blocks",
        sa.Column("series", _KEY, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("shape", sa.Text, nullable=False),
        sa.Column("first_step", sa.BigInteger, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("minimum", sa.Double),
        sa.Column("maximum", sa.Double),
        sa.Column("nonfinite", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.LargeBinary, nullable=False),
        sa.Column("values", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("series", "number", name="trema_blocks_pk"),
        sa.ForeignKeyConstraint(["series"], ["trema_series.key"], ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("blocks", "series", "findings", "events", "journals", "runs"):
        op.drop_table(f"trema_{table}")
