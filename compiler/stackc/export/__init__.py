"""Typed program → ONNX model: compile each distinct component once, then link."""

from stackc.export.pipeline import Assembled, Exported, assemble, export, store

__all__ = ["Assembled", "Exported", "assemble", "export", "store"]
