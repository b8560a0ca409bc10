"""Joins the engine with what is told about a run; the engine itself knows no sink."""

from __future__ import annotations


def wire() -> None:
    """Register the console once."""
