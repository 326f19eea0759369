"""Attribute a number of an output to inputs and components, one example after the other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stackc.attribution.components import AttributedPart, attributed_parts, conductances, parts_with_gradient
from stackc.attribution.features import Feature, OutputOfFeatures, attributed_features
from stackc.attribution.methods import METHODS, Method
from stackc.attribution.target import AttributionTarget, parse_target
from stackc.components.along import Portion
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.progress import Progress, no_progress
from stackc.dataflow.follow import Blocked, follow_axis
from stackc.frontend import Checked
from stackc.ir.program import Program
from stackc.proof.eager import tensor_of
from stackc.runtime import Array, Feeds

ROWS = 16
"""Rows that run together: steps of an integral, or changed copies of an example."""


@dataclass(frozen=True)
class AttributionOptions:
    """The options of an attribution.

    output      the number that is attributed, as `logits:3`
    method      one of METHODS
    baselines   what stands for the absence of an input: an array, or one number; 0 by default
    steps       the points at which gradients are integrated
    window      the sizes that an occlusion hides together along the first axes of an input, without that of examples
    depth       the depth of the drawing down to which components are attributed; 0 for none
    """

    output: str
    method: str = "integrated_gradients"
    baselines: Mapping[str, Array] = field(default_factory=dict)
    steps: int = 50
    window: tuple[int, ...] = ()
    depth: int = 1


@dataclass(frozen=True)
class Attributions:
    """What came of an attribution; arrays have the axis of examples first, also where the model has none.

    values          the number that is attributed, of each example
    baseline_values the same at the baseline; None if the method has none
    inputs          attributions in the shape of each input; those of ids are sums over their vectors
    components      attributions of each part of the drawing
    fixed           inputs that are held as they are: masks, and whole numbers that no embedding reads
    """

    target: AttributionTarget
    method: Method
    values: Array
    baseline_values: Array | None
    inputs: Mapping[str, Array]
    components: Mapping[AttributedPart, Array]
    fixed: tuple[str, ...]

    @property
    def gaps(self) -> Array | None:
        """The completeness gap of each example: Σ attributions − (f(x) − f(baseline)); None without completeness."""
        if not self.method.is_complete or self.baseline_values is None:
            return None
        total = sum(x.reshape(len(x), -1).sum(axis=1) for x in self.inputs.values())
        gaps: Array = np.asarray(total - (self.values - self.baseline_values))
        return gaps


def attribute_examples(
    checked: Checked,
    module: nn.Module,
    feeds: Feeds,
    options: AttributionOptions,
    progress: Progress = no_progress,
) -> Attributions:
    """Attribute the chosen number for every example of the feeds, which fit the inputs of the model.

    Raises SpecError: R441 and R442 for the output, R443 if nothing it depends on can be attributed or the method does
    not hold for the model, R444 for baselines.
    """
    program, method = checked.program, METHODS[options.method]
    batched = batched_inputs(program, options.output)
    target = parse_target(options.output, program, has_batch=batched is not None)
    features = attributed_features(program, target.output)
    _require_method(method, program, together=batched is not None and all(each.input in batched for each in features))
    _require_baselines(options.baselines, program, features)

    module = module.eval().requires_grad_(False)
    examples = _Examples(program, module, features, target, batched, options)
    found = []
    for number, feed in enumerate(_single(program, feeds, batched)):
        found.append(examples.attribute(feed, method))
        progress("example", f"{number + 1}")

    shown = {feature.input for feature in features}
    return Attributions(
        target,
        method,
        np.array([each.value for each in found]),
        np.array([each.baseline_value for each in found]) if method.has_baseline else None,
        {name: np.stack([each.inputs[name] for each in found]) for name in program.inputs if name in shown},
        {part: np.array([each.components.get(part, np.nan) for each in found]) for part in found[0].components},
        tuple(name for name in program.inputs if name not in shown),
    )


def batched_inputs(program: Program, output: str) -> frozenset[str] | None:
    """Return the inputs that have an axis of examples; None if examples are not independent in that output.

    The whole feed is one example then.
    """
    sizes = [type_.shape[0] for type_ in program.inputs.values() if type_.rank and type_.shape[0].constant is None]
    axes = {name: 0 for name, type_ in program.inputs.items() if sizes and type_.rank and type_.shape[0] == sizes[0]}
    value = program.outputs.get(output.partition(":")[0])
    if not axes or value is None:
        return None

    flow = follow_axis(program, {name: {axis: Portion.NEW} for name, axis in axes.items()})
    own = flow.values[value]
    answers = [flow.calls.get(call.path) for call in flow.needed(iter([value]))]
    goes_on = any(answer and (answer.states or answer.needs_positions) for answer in answers)
    if isinstance(own, Blocked) or [*own] != [0] or goes_on:
        return None
    return frozenset(axes)


def _single(program: Program, feeds: Feeds, batched: frozenset[str] | None) -> Iterator[dict[str, Tensor]]:
    """Yield the inputs of each example, with an axis of one example where they have one."""
    tensors = {name: tensor_of(feeds[name]) for name in program.inputs}
    if batched is None:
        yield tensors
        return
    for row in range(min(len(tensors[name]) for name in batched)):
        yield {name: x[row : row + 1] if name in batched else x for name, x in tensors.items()}


def _require_method(method: Method, program: Program, *, together: bool) -> None:
    """Refuse DeepLift where its comparison of two rows is none. Raises SpecError R443."""
    if method.name != "deep_lift":
        return
    hint = "use `--method integrated_gradients`"
    if not together:
        message = "deep_lift runs an example beside its baseline, but an input has no axis of independent examples"
        raise SpecError(Diagnostic("R443", message, hint=hint))
    again = next((call for call in program.calls if call.owner != call.path), None)
    if again:
        message = f"deep_lift needs one call for each module, but '{again.path}' calls '{again.owner}' again"
        raise SpecError(Diagnostic("R443", message, again.span, hint))


def _require_baselines(baselines: Mapping[str, Array], program: Program, features: tuple[Feature, ...]) -> None:
    """Raise SpecError R444 for a baseline of no attributed input."""
    names = [feature.input for feature in features]
    for name in baselines:
        if name not in names:
            why = "is held as it is" if name in program.inputs else "is no input"
            hint = did_you_mean(name, names) or f"there may be one for {', '.join(dict.fromkeys(names))}"
            raise SpecError(Diagnostic("R444", f"there is a baseline for '{name}', which {why}", hint=hint))


@dataclass
class _Example:
    """The attributions of one example."""

    value: float
    baseline_value: float
    inputs: dict[str, Array]
    components: dict[AttributedPart, float]


@dataclass(frozen=True)
class _Examples:
    """Attributes examples of one model."""

    program: Program
    module: nn.Module
    features: tuple[Feature, ...]
    target: AttributionTarget
    batched: frozenset[str] | None
    options: AttributionOptions

    def attribute(self, feed: Mapping[str, Tensor], method: Method) -> _Example:
        """Return the attributions of one example."""
        model = OutputOfFeatures(self.module, self.program, self.features, self.target, feed, self.batched)
        try:
            inputs = tuple(model.values_of(feature, feed[feature.input]) for feature in self.features)
            baselines = tuple(
                model.values_of(feature, self._baseline(feature.input, feed[feature.input]))
                for feature in self.features
            )
            with torch.no_grad():
                value, at_baseline = model(*inputs).item(), model(*baselines).item()

            settings = self._settings(method, inputs, baselines)
            with _without_remarks():
                attributed = method.of_inputs(model).attribute(_tracked(inputs), **settings)
            by_input = self._by_input(attributed, feed)
            components = self._components(model, method, inputs, baselines) if self.options.depth else {}
        finally:
            model.release()
        return _Example(value, at_baseline, by_input, components)

    def _baseline(self, name: str, x: Tensor) -> Tensor:
        """Return the baseline of an input, like it. Raises SpecError R444 if it does not fit."""
        given = np.asarray(self.options.baselines.get(name, 0))
        try:
            whole = np.broadcast_to(given, tuple(x.shape))
        except ValueError:
            message = f"the baseline of '{name}' has the shape {list(given.shape)}, one example has {list(x.shape)}"
            hint = "give one example, or one number"
            raise SpecError(Diagnostic("R444", message, hint=hint)) from None
        return tensor_of(np.array(whole)).to(x.dtype)

    def _settings(self, method: Method, inputs: tuple[Tensor, ...], baselines: tuple[Tensor, ...]) -> dict[str, Any]:
        """Return what captum's method is called with."""
        settings: dict[str, Any] = {"baselines": baselines} if method.has_baseline else {}
        if method.name == "integrated_gradients":
            settings |= {"n_steps": self.options.steps, "internal_batch_size": ROWS}
        if method.name == "occlusion":
            settings["sliding_window_shapes"] = tuple(map(self._window, self.features, inputs))
        if method.name == "feature_ablation":
            settings["feature_mask"] = _places(self.features, inputs)
        return settings

    def _window(self, feature: Feature, x: Tensor) -> tuple[int, ...]:
        """Return the sizes that are hidden together; all features of an id's vector always are."""
        axes = x.shape[1:-1] if feature.call else x.shape[1:]
        sizes = (*self.options.window, *(1,) * len(axes))[: len(axes)]
        window = tuple(min(size, whole) for size, whole in zip(sizes, axes, strict=True))
        return (*window, x.shape[-1]) if feature.call else window

    def _by_input(self, attributed: tuple[Tensor, ...], feed: Mapping[str, Tensor]) -> dict[str, Array]:
        """Return attributions in the shape of each input, without the axis of the one example."""
        found: dict[str, Array] = {}
        for feature, x in zip(self.features, attributed, strict=True):
            values = x[0].detach()
            if feature.call:
                # a changed vector counts once, however many features it has
                perturbed = METHODS[self.options.method].perturbs
                values = values[..., 0] if perturbed else values.sum(dim=-1)
            array = values.double().numpy()
            found[feature.input] = found[feature.input] + array if feature.input in found else array
        return found

    def _components(
        self, model: OutputOfFeatures, method: Method, inputs: tuple[Tensor, ...], baselines: tuple[Tensor, ...]
    ) -> dict[AttributedPart, float]:
        """Return the attribution of each part of the drawing that the number depends on."""
        parts = attributed_parts(self.module, self.program, self.options.depth)
        parts = parts_with_gradient(model, self.module, parts, inputs)
        if method.name == "integrated_gradients" and not model.together:
            return conductances(model, self.module, parts, inputs, baselines, self.options.steps)

        found = {}
        for part in parts:
            layer = method.of_component(model, self.module.get_submodule(part.path))
            if method.perturbs:
                found[part] = _ablated(layer, model, inputs)
                continue
            settings: dict[str, Any] = {"baselines": baselines} if method.has_baseline else {}
            if method.name == "integrated_gradients":
                settings |= {"n_steps": self.options.steps, "internal_batch_size": ROWS}
            with _without_remarks():
                attributed = layer.attribute(_tracked(inputs), **settings)
            outputs = attributed if isinstance(attributed, tuple) else (attributed,)
            found[part] = sum(output.detach().double().sum().item() for output in outputs)
        return found


def _tracked(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return inputs that gradients are computed for."""
    return tuple(x.detach().clone().requires_grad_() for x in inputs)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Leave out what captum says about every call of DeepLift: that it sets hooks, and removes them again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks", category=UserWarning)
        yield


def _places(features: tuple[Feature, ...], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Number what is taken away together: each element of a float input, each vector of an id."""
    masks, start = [], 0
    for feature, x in zip(features, inputs, strict=True):
        shape = (1, *x.shape[1:-1], 1) if feature.call else (1, *x.shape[1:])
        places = torch.arange(start, start + int(np.prod(shape))).reshape(shape)
        masks.append(places.expand(1, *x.shape[1:]))
        start += places.numel()
    return tuple(masks)


def _ablated(layer: Any, model: OutputOfFeatures, inputs: tuple[Tensor, ...]) -> float:
    """Return how much the number changes if all outputs of a component are 0."""
    shapes: list[tuple[int, ...]] = []

    def hook(_: nn.Module, __: Any, output: Tensor | tuple[Tensor, ...]) -> None:
        shapes.extend(tuple(y.shape) for y in ((output,) if isinstance(output, Tensor) else output))

    handle = layer.layer.register_forward_hook(hook)
    with torch.no_grad():
        model(*inputs)
    handle.remove()
    together = tuple(torch.zeros((1, *shape[1:]), dtype=torch.long) for shape in shapes)
    with _without_remarks():
        attributed = layer.attribute(inputs, layer_mask=together if len(together) > 1 else together[0])
    first = attributed[0] if isinstance(attributed, tuple) else attributed
    return float(first.reshape(-1)[0])
