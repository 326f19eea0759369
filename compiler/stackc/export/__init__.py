"""Typed program → ONNX model: compile each distinct component once, then link."""

from stackc.export.pipeline import ExportedModel, LinkedProgram, export, link_program, write_model

__all__ = ["ExportedModel", "LinkedProgram", "export", "link_program", "write_model"]
