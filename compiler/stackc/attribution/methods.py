"""The methods of captum that are offered: for inputs, for components, and whether their attributions add up.

captum is imported when a method is first called.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PACKAGE = "captum"
INSTALL = "pip install 'stackc[attribution]'"


@dataclass(frozen=True, slots=True)
class Method:
    """A method: classes of captum.attr for inputs and for components, and what it holds for.

    is_complete     the attributions of all inputs add up to the change of the output from its baseline
    has_baseline    it compares with a baseline, which stands for the absence of the input
    perturbs        it changes groups of numbers and runs the model again; otherwise it follows gradients
    """

    name: str
    inputs: str
    components: str
    doc: str
    is_complete: bool = False
    has_baseline: bool = True
    perturbs: bool = False

    def of_inputs(self, model: Any) -> Any:
        """Return captum's method for the inputs of a module."""
        return getattr(import_module("captum.attr"), self.inputs)(model)

    def of_component(self, model: Any, component: Any) -> Any:
        """Return captum's method for the outputs of a module inside of a module."""
        return getattr(import_module("captum.attr"), self.components)(model, component)


METHODS = {
    method.name: method
    for method in (
        Method(
            "integrated_gradients", "IntegratedGradients", "LayerConductance",
            "gradients along the line from the baseline to the input: Sundararajan et al. 2017, arXiv:1703.01365;"
            " components by their conductance: Dhamdhere et al. 2018, arXiv:1805.12233", is_complete=True,
        ),
        Method(
            "saliency", "Saliency", "LayerGradientXActivation",
            "the absolute gradient: Simonyan et al. 2013, arXiv:1312.6034", has_baseline=False,
        ),
        Method(
            "input_x_gradient", "InputXGradient", "LayerGradientXActivation",
            "the gradient times the input: Shrikumar et al. 2016, arXiv:1605.01713", has_baseline=False,
        ),
        Method(
            "deep_lift", "DeepLift", "LayerDeepLift",
            "differences from the baseline, through each activation: Shrikumar et al. 2017, arXiv:1704.02685",
            is_complete=True,
        ),
        Method(
            "occlusion", "Occlusion", "LayerFeatureAblation",
            "what changes under a window that slides over the input: Zeiler and Fergus 2013, arXiv:1311.2901",
            perturbs=True,
        ),
        Method(
            "feature_ablation", "FeatureAblation", "LayerFeatureAblation",
            "what changes without each element of the input", perturbs=True,
        ),
    )
}  # fmt: skip


def is_installed() -> bool:
    """Return whether captum can be imported, without importing it."""
    return find_spec(PACKAGE) is not None
