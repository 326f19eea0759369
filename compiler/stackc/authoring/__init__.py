"""What helps to write a spec: the JSON Schema, starter specs, scaffolds of bare diagrams, the language reference."""
