"""The engine: what runs beside a training and never disturbs it."""

from trema.engine.session import Segment, Session, Sink

__all__ = ["Segment", "Session", "Sink"]
