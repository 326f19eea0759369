"""`op: torch`: a node whose module is a class of somebody's own, named by `of: package.module.Class`.

Naming a class is to run the code of its module, so nothing is imported that `--trust` does not name.
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
from stackc.core.diagnostics import did_you_mean
from stackc.resolve.scope import Scope
from stackc.spec.yaml.tree import Entry, Value

if TYPE_CHECKING:
    from torch import nn

_KEYS = ("of", "outputs")


def arguments_of(fields: Mapping[str, Entry]) -> dict[str, Entry]:
    """What an entry says beside the class and its outputs: arguments of the constructor."""
    return {name: entry for name, entry in fields.items() if name not in _KEYS}


def custom_operator(fields: Mapping[str, Entry], place: Value, scope: Scope) -> type[CustomModule] | None:
    """The component of an entry with `op: torch`.

    None, noted: N311 where no class is named, N316 where it is not trusted, N317 where it cannot be had.
    """
    if "of" not in fields:
        hint = "write the dotted name of its class, for example `of: my_layers.Swish`"
        scope.diagnostics.error("N311", "a torch module needs the field 'of'", place.span, hint)
        return None
    of = fields["of"].value
    name, outputs = scope.text(of, "the class of a torch module"), _outputs(fields.get("outputs"), scope)
    if name is None or outputs is None:
        return None
    module = name.rpartition(".")[0]
    if module and not _is_trusted(module, scope.trust):
        message = f"'{name}' is code, and what it takes and gives is unknown until it is trusted"
        scope.diagnostics.error("N316", message, of.span, f"`--trust {module}` lets it run")
        return None
    try:
        return custom_module(_class_of(name, scope), name, outputs)
    except Unfit as error:
        scope.diagnostics.error("N317", str(error), of.span, error.hint)
        return None


def _outputs(entry: Entry | None, scope: Scope) -> tuple[str, ...] | None:
    """The names of what it gives; None, noted (N310), where they are none."""
    if entry is None:
        return ("y",)
    values = entry.value.data if isinstance(entry.value.data, tuple) else (entry.value,)
    names = tuple(name for value in values if (name := scope.text(value, "an output")) is not None)
    if len(names) < len(values):
        return None
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        hint = "for example `outputs: [y, weights]`, in the order in which forward gives them"
        scope.diagnostics.error("N310", "the outputs have to be words, each another one", entry.value.span, hint)
        return None
    return names


def _is_trusted(module: str, trust: Sequence[str]) -> bool:
    """Whether a module, or a package that it is in, is named."""
    return any(f"{module}.".startswith(f"{trusted}.") for trusted in trust)


def _class_of(name: str, scope: Scope) -> type[nn.Module]:
    """The class of that dotted name. Raises Unfit."""
    if "." not in name:
        raise Unfit(f"'{name}' is not the dotted name of a class", "write it with its module: `of: my_layers.Swish`")
    folder = Path(scope.file).resolve().parent
    _add_to_path(folder, Path.cwd())
    module, attributes = _module_of(name, scope.trust)
    _require_own(module, folder)
    found: Any = module
    for attribute in attributes:
        if not hasattr(found, attribute):
            raise Unfit(f"{module.__name__} has no class '{'.'.join(attributes)}'", _near(attribute, found))
        found = getattr(found, attribute)
    from torch import nn

    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise Unfit(f"'{name}' is no class of torch.nn.Module", _near(attributes[-1], module) if attributes else None)
    return found


def _module_of(name: str, trust: Sequence[str]) -> tuple[ModuleType, list[str]]:
    """The innermost module that a dotted name leads to, imported, and the rest of the name."""
    from stackc.components.custom.foreign_errors import RAISED, describe

    parts = name.split(".")
    missing = parts[0]
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        if not _is_trusted(module, trust):
            break
        try:
            return importlib.import_module(module), parts[end:]
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise Unfit(f"{module} cannot be imported: {error}", "install what it needs") from error
            missing = error.name
        except RAISED as error:
            raise Unfit(f"{module} cannot be imported: {describe(error)}") from error
    raise Unfit(f"there is no module '{missing}'", "it has to be installed, or lie beside the spec")


def _add_to_path(*folders: Path) -> None:
    """Let modules be found beside the spec, after those that are installed, now and when they import others."""
    sys.path += [path for path in map(str, folders) if path not in sys.path]
    importlib.invalidate_caches()


def _require_own(module: ModuleType, folder: Path) -> None:
    """Unfit where another module of that name hides the one beside the spec."""
    top = module.__name__.partition(".")[0]
    beside = [path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()]
    loaded = getattr(sys.modules[top], "__file__", None)
    if beside and loaded and not any(os.path.samefile(path, loaded) for path in beside):
        raise Unfit(f"the {top} beside the spec is hidden by {loaded}", "give it another name")


def _near(name: str, holder: object) -> str | None:
    """The nearest name of a class in a module."""
    return did_you_mean(name, list(_classes(holder)))


def _classes(holder: object) -> Iterator[str]:
    from torch import nn

    for name, value in vars(holder).items():
        if isinstance(value, type) and issubclass(value, nn.Module):
            yield name
