"""What the language, the components and the diagnostics are, told to people: read off the code wherever it says so."""
