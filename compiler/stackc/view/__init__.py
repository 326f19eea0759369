"""Typed graph → picture: Mermaid, DOT, SVG, PNG, an HTML page, a tree; without PyTorch.

compose.py   typed graph → picture; with folding.py (repeats), captions.py (texts), around.py (residual arrows)
training.py  losses and metrics, in a frame beside the model
picture.py   the picture: boxes, clusters and arrows, before any format
mermaid.py   picture → Mermaid
dot.py       picture → DOT
layout.py    picture → coordinates, by Graphviz
svg.py       picture → SVG; with sizes.py, text.py (widths) and palette.py (colours)
png.py       SVG → PNG
tree.py      picture → tree for a terminal
levels.py    typed graph → one laid-out picture for each distinct block; with facts.py (fields, types, lines)
overlays.py  numbers by which a page colours the drawing
pareto.py     speed against error of many candidates, as a picture
curves.py    curves → coordinates of an SVG
html.py      levels → HTML page; its templates, scripts and styles are in pages/
notebook.py  a checked spec or a build in a notebook: drawing and summary
forms.py     the forms of a picture: name, file suffix and writer
figures.py   numbers and types as people read them
"""
