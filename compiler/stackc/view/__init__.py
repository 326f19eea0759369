"""Typed graph → picture: Mermaid, DOT, SVG, PNG, an HTML page, a tree; without PyTorch."""
