"""A buggy program and a little real data, for ``trema demo``."""
