"""What the web application needs: changes by time, heads of findings, sketches, people."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from trema.store.records import head
from trema.store.schema import SafeText

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_HEADS = sa.table(
    "trema_findings",
    sa.column("run", sa.BigInteger),
    sa.column("segment", sa.BigInteger),
    sa.column("id", sa.Text),  # as it is stored: escaped
    sa.column("rank", sa.BigInteger),
    sa.column("document", sa.Text),
    sa.column("title", SafeText),
    sa.column("layer", SafeText),
    sa.column("priority", sa.BigInteger),
    sa.column("explained", sa.Boolean),
)


def upgrade() -> None:
    op.add_column(
        "trema_runs", sa.Column("touched", sa.BigInteger, nullable=False, server_default="0")
    )
    op.execute("UPDATE trema_runs SET touched = 1")  # after 0: whoever asks for all gets them
    op.create_index("trema_runs_touched", "trema_runs", ["touched"])
    op.create_table(
        "trema_removed",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("touched", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="trema_removed_pk"),
    )
    heads = (
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("layer", sa.Text),
        sa.Column("priority", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("explained", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    _add_before("trema_findings", "document", *heads)
    _fill_heads(op.get_bind())
    _add_before("trema_blocks", "steps", sa.Column("sketch", sa.LargeBinary))
    if op.get_bind().dialect.name == "postgresql":
        for packed in ("steps", "values"):  # numbers hardly shrink, and trying takes long
            op.execute(f'ALTER TABLE trema_blocks ALTER COLUMN "{packed}" SET STORAGE EXTERNAL')
    op.create_table(
        "trema_sources",
        sa.Column("run", _KEY, sa.ForeignKey("trema_runs.key", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run", "digest", name="trema_sources_pk"),
    )
    op.create_table(
        "trema_actions",
        sa.Column("number", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("data", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="trema_actions_id"),
    )
    op.create_table(
        "trema_tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("revoked", sa.Double),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="trema_tokens_pk"),
        sa.UniqueConstraint("digest", name="trema_tokens_digest"),
    )
    op.create_table(
        "trema_claims",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="trema_claims_pk"),
    )


def _add_before(table: str, before: str, *columns: "sa.Column[Any]") -> None:
    """Add columns; on SQLite, which reads a row from its beginning, before a large one."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(table, recreate="always") as changed:
            for column in columns:
                changed.add_column(column, insert_before=before)
    else:
        for column in columns:
            op.add_column(table, column)


def _fill_heads(db: sa.Connection) -> None:
    column = _HEADS.c
    identity = [column.run, column.segment, column.id, column.rank]
    for row in db.execute(sa.select(*identity, column.document)).all():
        document = json.loads(row.document)
        made = head(document if isinstance(document, dict) else {})
        db.execute(
            sa.update(_HEADS)
            .where(*(one == row._mapping[one.name] for one in identity))
            .values({name: made[name] for name in ("title", "layer", "priority", "explained")})
        )


def downgrade() -> None:
    for table in ("claims", "tokens", "actions", "sources", "removed"):
        op.drop_table(f"trema_{table}")
    op.drop_index("trema_runs_touched", "trema_runs")
    with op.batch_alter_table("trema_runs") as runs:
        runs.drop_column("touched")
    with op.batch_alter_table("trema_blocks") as blocks:
        blocks.drop_column("sketch")
    with op.batch_alter_table("trema_findings") as findings:
        for column in ("title", "layer", "priority", "explained"):
            findings.drop_column(column)
