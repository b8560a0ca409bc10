"""The checks: one module each, with its page beside it."""
