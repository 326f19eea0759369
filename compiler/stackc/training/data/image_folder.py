"""A folder with one folder of images for each class: columns `image`, a path, and `label`, the number of its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.plurals import counted
from stackc.ir.training import Training
from stackc.runtime import Array
from stackc.training.data.column_store import Taken

IMAGE, LABEL = "image", "label"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, sorted by class and name. The names of files are held, nothing of their content."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: Array
    is_typed = False
    is_random = False

    @property
    def kinds(self) -> Mapping[str, str]:
        """The paths of images, and which classes there are."""
        return {IMAGE: "image", LABEL: f"class of {', '.join(self.classes)}"}

    def __len__(self) -> int:
        return len(self.files)

    def take(self, name: str, rows: Array) -> Taken:
        """Return some paths, which are relative to the folder, or the numbers of their classes."""
        if name == IMAGE:
            return [self.files[row] for row in rows]
        labels: Array = self.labels[rows]
        return labels

    def lengths(self, name: str) -> Array:
        """Return the same for all."""
        return np.zeros(len(self), np.int64)


def open_image_folder(folder: Path, training: Training) -> ImageFolder:
    """Open a folder of images: its folders, sorted by name, are the classes 0, 1, 2, …, unless `classes` lists them.

    Raises SpecError L201 if there are no images, if one is of no class, or if there are not as many classes as the
    input for them says: a class would have another number than in other folders.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    label = next((name for name, source in training.settings.data.columns.items() if source.columns == (LABEL,)), LABEL)
    source = training.settings.data.columns.get(label)
    classes = source.classes if source and source.classes else tuple(found)
    if unknown := [name for name in found if name not in classes]:
        message = f"{folder} has a folder '{unknown[0]}', which is none of the classes"
        raise SpecError(Diagnostic("L201", message, hint=f"they are {', '.join(classes)}"))

    allowed = training.ranges.get(label)
    if allowed is not None and allowed.below is not None and allowed.below != len(classes):
        message = f"{folder} has {counted(len(classes), 'class', 'classes')}, but '{label}' is below {allowed.below}"
        hint = f"write `columns: {{{label}: {{classes: […]}}}}` with the names of all, in the order of their numbers"
        raise SpecError(Diagnostic("L201", message, hint=hint))

    files, labels = list[str](), list[int]()
    for number, name in enumerate(classes):
        images = sorted(path for path in folder.glob(f"{name}/**/*") if path.suffix.lower() in SUFFIXES)
        files += [path.relative_to(folder).as_posix() for path in images]
        labels += [number] * len(images)
    if not files:
        hint = "it needs a folder for each class, with images in it"
        raise SpecError(Diagnostic("L201", f"{folder} has no examples", hint=hint))
    return ImageFolder(folder, classes, tuple(files), np.array(labels, np.int64))
