"""The append-only log that a run writes, and its reader."""
