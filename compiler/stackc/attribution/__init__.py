"""Attribution of an output to inputs and components, by captum: the interpretability of a model that is drawn.

methods.py     the methods of captum that are offered, and what each one guarantees
read.py        a spec or an artifact with its weights, examples, baselines
target.py      the output that is attributed: `logits:3`
features.py    what an output is attributed to: float inputs, and ids at the embedding that reads them
components.py  the components and blocks that are attributed beside the inputs
attribute.py   one example after the other: attributions, and how much of the output they leave unexplained
attention.py   the probabilities of every attention, by layer and head
tokens.py      words for ids, from a tokenizer.json
page.py        attribution.html, from the template of view/pages
"""

from stackc.attribution.attribute import AttributionOptions, Attributions, attribute_examples
from stackc.attribution.methods import METHODS

__all__ = ["METHODS", "AttributionOptions", "Attributions", "attribute_examples"]
