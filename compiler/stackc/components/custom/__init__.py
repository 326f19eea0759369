"""Modules of somebody's own as components: what their code says of itself, and what it raises."""
