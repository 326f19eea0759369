"""Typed graph → picture: Mermaid, DOT, SVG and PNG, without PyTorch."""
