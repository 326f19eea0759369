"""The components, one family a file. A family is imported when a spec names one of its ops."""
