"""The components, one family per file. A family is imported when a spec uses one of its ops."""
