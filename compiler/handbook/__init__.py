"""The site: pages of pages/, and reference pages that are written from stackc itself.

`PYTHONPATH=compiler python -m handbook -o build/site`, with zensical installed (`pip install '.[site]'`). Nothing of a
built page is loaded from another host.

__main__.py    the command
sources.py     all pages as Markdown, in one folder, and their order in the navigation
components.py  a page for each component
diagnostics.py a page for each diagnostic
models.py      the zoo, with pictures
python_api.py  the functions of `import stackc`, from their docstrings
documents.py   pages out of files of the repository, with their links put right
pictures.py    drawings of specs as they stand in a page
formulas.py    formulas typeset as HTML
links.py       whether every link of a built site leads to something
pages/         what is written by hand: a start, a tutorial, how-tos
"""
