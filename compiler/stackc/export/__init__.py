"""Typed program → ONNX model: compile each distinct component once, then link."""

from stackc.export.pipeline import Exported, export

__all__ = ["Exported", "export"]
