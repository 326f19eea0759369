"""Text → Document: the two skins of the language, YAML and Mermaid, and what a spec is as data."""
