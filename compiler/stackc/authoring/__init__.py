"""Help for writing specs.

schema         the JSON Schema of YAML specs, for editors
scaffold       a bare Mermaid drawing → a spec to fill in
figures/       what the labels and arrows of a drawing say, as far as it is certain
starter_specs  the templates of `stackc init --template`, files in templates/
reference/     the language reference, the pages of components and of diagnostic codes
"""
