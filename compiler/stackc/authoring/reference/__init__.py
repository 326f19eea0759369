"""Reference pages for people, generated from the code wherever it has the information.

keys      every key of a spec: values, meaning, default
ops       the page of a component, read off its class
examples  a working spec for every component
codes     the page of every diagnostic code; its text is codes.md
language  the language reference; its text is language.md, its tables are generated
"""
