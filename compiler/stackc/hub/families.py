"""The specs of the zoo that implement the model of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stackc.core.diagnostics import Diagnostic, SpecError, closest
from stackc.hub.config import ModelConfig, json_kind
from stackc.hub.zoo import zoo_document, zoo_files, zoo_text
from stackc.spec.document import Document, HuggingFaceDecl


def specs_of(config: ModelConfig, architecture: str | None = None) -> list[Document]:
    """Return the specs of the zoo that implement the class that a config names, or the `architecture` instead.

    Several differ in what their files of weights hold. A config without `architectures` is that of every class of its
    model type. Raises SpecError: H903 if there is no spec, H905 for keys of another type.
    """
    classes = [architecture] if architecture else _texts(config, "architectures")
    (model_type, *_) = [*_texts(config, "model_type"), ""]

    specs = [document for document, decl in _implementing(classes or [model_type]) if _fits(decl, classes, model_type)]
    if not specs:
        raise SpecError(_unknown(config, classes, model_type))
    architectures = {name for document in specs if document.huggingface for name in document.huggingface.architectures}
    if not classes and len(architectures) > 1:
        message = f"{config.file} names no class, and {model_type} is the type of {', '.join(sorted(architectures))}"
        raise SpecError(Diagnostic("H903", message, None, "name one of them with --architecture"))
    return specs


def _texts(config: ModelConfig, key: str) -> list[str]:
    """Return the texts under a key: of one, or of a list; none if it is absent or null."""
    value = config.keys.get(key)
    values = value if isinstance(value, list) else [] if value is None else [value]
    texts = [each for each in values if isinstance(each, str)]
    if len(texts) < len(values):
        wrong = next(each for each in values if not isinstance(each, str))
        message = f"{key} in {config.file} must be text, but is {json_kind(wrong)}"
        raise SpecError(Diagnostic("H905", message, config.span(key)))
    return texts


def _implementing(words: Iterable[str]) -> Iterator[tuple[Document, HuggingFaceDecl]]:
    """Yield the specs that may implement one of these classes or types; only texts that hold the word are parsed."""
    pattern = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words))
    for name in zoo_files():
        text = zoo_text(name)
        if "huggingface:" in text and pattern.search(text):
            document = zoo_document(name)
            if document.huggingface:
                yield document, document.huggingface


def _fits(decl: HuggingFaceDecl, classes: list[str], model_type: str) -> bool:
    if not classes:
        return model_type in decl.model_types
    same_type = not model_type or not decl.model_types or model_type in decl.model_types
    return same_type and any(name in decl.architectures for name in classes)


def _unknown(config: ModelConfig, classes: list[str], model_type: str) -> Diagnostic:
    """Return H903, which proposes the nearest class, and lists those of the same type or else all types."""
    decls = [decl for name in zoo_files() if (decl := zoo_document(name).huggingface)]
    known = sorted({name for decl in decls for name in decl.architectures})
    types = sorted({name for decl in decls for name in decl.model_types})
    if not classes and not model_type:
        message = f"{config.file} says neither 'model_type' nor 'architectures'"
        hint = "is it the config of a model? --architecture names the class of one that says neither"
        return Diagnostic("H903", message, None, hint)

    subject = f"the class {' or '.join(classes)}" if classes else f"the model type {model_type}"
    kin = sorted({name for decl in decls if model_type in decl.model_types for name in decl.architectures})
    listed = f"of {model_type}: {', '.join(kin)}" if kin else f"types: {', '.join(types)}"
    nearest = closest(classes[0], known) if classes else closest(model_type, types)
    guess = f"did you mean '{nearest}'? " if nearest else ""
    span = config.span("architectures" if classes else "model_type")
    return Diagnostic("H903", f"no spec of the zoo implements {subject}", span, f"{guess}known {listed}")
