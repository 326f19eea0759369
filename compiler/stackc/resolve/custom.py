"""`op: torch`: a node whose module is a custom torch.nn.Module, named by `of: package.module.Class`.

Importing a class runs the code of its module, so only modules named by `--trust` are imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stackc.components.custom.module import CustomModule, Unfit, custom_module
from stackc.components.custom.trusted_imports import TrustedImports, missing_trust
from stackc.core.diagnostics import did_you_mean
from stackc.resolve.scope import Scope
from stackc.spec.yaml.tree import Entry, Value

if TYPE_CHECKING:
    from torch import nn

_KEYS = ("of", "outputs")


def arguments_of(fields: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the constructor arguments of an entry: all fields except the class and its outputs."""
    return {name: entry for name, entry in fields.items() if name not in _KEYS}


def custom_operator(fields: Mapping[str, Entry], op: Value, scope: Scope) -> type[CustomModule] | None:
    """Return the component of an entry with `op: torch`.

    Returns None, reported: N311 without a class, N316 if it or a module that it imports is not trusted, N317 if it
    cannot be loaded.
    """
    if "of" not in fields:
        hint = "write the dotted name of its class, for example `of: my_layers.Swish`"
        scope.diagnostics.error("N311", "a torch module needs the field 'of'", op.span, hint)
        return None
    of = fields["of"].value
    name, outputs = scope.text(of, "the class of a torch module"), _outputs(fields.get("outputs"), scope)
    if name is None or outputs is None:
        return None

    module = name.rpartition(".")[0]
    if module and not is_trusted(module, scope.trust):
        message = f"'{name}' is code that is not trusted to run, so its inputs and outputs are unknown"
        scope.diagnostics.error("N316", message, of.span, f"`--trust {module}` lets it run")
        return None
    imports = TrustedImports(tuple(scope.trust), (str(_folder(scope)), str(Path.cwd())))
    try:
        return custom_module(_class_of(name, scope, imports), name, outputs, imports)
    except Unfit as error:
        scope.diagnostics.error(error.code, str(error), of.span, error.hint)
        return None


def _outputs(entry: Entry | None, scope: Scope) -> tuple[str, ...] | None:
    """Return the names of the outputs; None, reported as N310, if they are not distinct identifiers."""
    if entry is None:
        return ("y",)
    values = entry.value.listed
    names = tuple(name for value in values if (name := scope.text(value, "an output")) is not None)
    if len(names) < len(values):
        return None
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        hint = "write for example `outputs: [y, weights]`, in the order in which forward returns them"
        scope.diagnostics.error("N310", "outputs must be distinct identifiers", entry.value.span, hint)
        return None
    return names


def is_trusted(module: str, trust: Sequence[str]) -> bool:
    """Return whether a module, or a package that contains it, is trusted."""
    return any(f"{module}.".startswith(f"{trusted}.") for trusted in trust)


def _folder(scope: Scope) -> Path:
    return Path(scope.file).resolve().parent


def _class_of(name: str, scope: Scope, imports: TrustedImports) -> type[nn.Module]:
    """Return the class of that dotted name. Raises Unfit."""
    if "." not in name:
        raise Unfit(f"'{name}' is not the dotted name of a class", "include its module: `of: my_layers.Swish`")

    from torch import nn  # before the folders are searched for anything

    with imports:
        module, attributes = import_trusted(name, scope.trust)
    require_not_shadowed(module, _folder(scope))

    value: Any = module
    for attribute in attributes:
        if not hasattr(value, attribute):
            raise Unfit(f"{module.__name__} has no class '{'.'.join(attributes)}'", _near(attribute, value))
        value = getattr(value, attribute)

    if not (isinstance(value, type) and issubclass(value, nn.Module)):
        hint = _near(attributes[-1], module) if attributes else None
        raise Unfit(f"'{name}' is not a subclass of torch.nn.Module", hint)
    return value


def import_trusted(name: str, trust: Sequence[str]) -> tuple[ModuleType, list[str]]:
    """Import the innermost module of a dotted name; return it and the rest of the name. Raises Unfit."""
    from stackc.components.custom.foreign_errors import RAISED, describe

    parts = name.split(".")
    missing = parts[0]
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        if not is_trusted(module, trust):
            break
        try:
            return importlib.import_module(module), parts[end:]
        except ModuleNotFoundError as error:
            if problem := missing_trust(error):
                raise Unfit(f"{module} cannot be imported: {problem[0]}", problem[1], code="N316") from error
            # If another module is missing, this one exists and needs it; else a shorter part of the name may exist.
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise Unfit(f"{module} cannot be imported: {error}", "install the missing module") from error
            missing = error.name
        except RAISED as error:
            raise Unfit(f"{module} cannot be imported: {describe(error)}") from error
    raise Unfit(f"there is no module '{missing}'", "install it, or put it beside the spec")


def require_not_shadowed(module: ModuleType, folder: Path) -> None:
    """Raise Unfit if another module of the same name shadows the one beside the spec."""
    top = module.__name__.partition(".")[0]
    beside = [path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()]
    loaded = getattr(sys.modules[top], "__file__", None)
    if beside and loaded and not any(os.path.samefile(path, loaded) for path in beside):
        raise Unfit(f"the module {top} beside the spec is shadowed by {loaded}", "give it another name")


def _near(name: str, holder: object) -> str | None:
    """Return a hint with the class in a module or class whose name is most similar."""
    return did_you_mean(name, list(_classes(holder)))


def _classes(holder: object) -> Iterator[str]:
    from torch import nn

    for name, value in vars(holder).items():
        if isinstance(value, type) and issubclass(value, nn.Module):
            yield name
