"""From findings to causes: which finding explains which, and what to fix first."""
