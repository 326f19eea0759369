"""What failing means: a build that fails in the same way, or a command that exits non-zero."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, Overrides, check_spec
from stackc.pipeline import Options, build, build_until

ROOM = Path(__file__).parents[1]


@dataclass(frozen=True)
class Failure:
    """One way in which a spec fails; two are the same failure if code and subject agree.

    `code` is that of a diagnostic, the class of an exception, or "command". `subject` is the op of the component that
    is blamed, the function of stackc that raised, or "". `path` is the component's path.
    """

    code: str
    subject: str = ""
    path: str = field(default="", compare=False)
    message: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.code}, {self.subject}" if self.subject else self.code


Failures: TypeAlias = tuple[Failure, ...]
Judge: TypeAlias = Callable[[Path, int], Failures]
"""Judges a spec file under a seed; the empty tuple means that it passes."""


def check_judge(overrides: Overrides) -> Judge:
    """Return a judge that checks a spec, and builds nothing: for crashes of the checker."""

    def judge(path: Path, seed: int) -> Failures:
        return _failures(path, Options(overrides), lambda: check_spec(path, overrides))

    return judge


def build_judge(options: Options) -> Judge:
    """Return a judge that builds a spec without timing, up to the first failure of the proof."""

    def judge(path: Path, seed: int) -> Failures:
        quick = replace(options, seed=seed, measure=False, first_failure=True, out=None)
        return _failures(path, quick, lambda: build_until(path, "prove", quick))

    return judge


def package_judge(options: Options) -> Judge:
    """Return a judge that builds a spec without timing, and packages it too."""

    def judge(path: Path, seed: int) -> Failures:
        with tempfile.TemporaryDirectory(prefix="stackc-") as folder:
            whole = replace(options, seed=seed, measure=False, first_failure=True, out=Path(folder))
            return _failures(path, whole, lambda: build(path, whole))

    return judge


def command_judge(command: str) -> Judge:
    """Return a judge that runs a command, in which `{}` stands for the path of the spec; it fails if it exits non-zero.

    `{seed}` stands for the seed. The command runs without a shell.
    """
    words = shlex.split(command)
    if not any("{}" in word for word in words):
        words.append("{}")

    def judge(path: Path, seed: int) -> Failures:
        filled = [word.replace("{}", str(path)).replace("{seed}", str(seed)) for word in words]
        done = subprocess.run(filled, capture_output=True, text=True, check=False)
        lines = (done.stderr or done.stdout).strip().splitlines()
        return (Failure("command", message=lines[-1] if lines else ""),) if done.returncode else ()

    return judge


# -- what a build raises


def _failures(path: Path, options: Options, run: Callable[[], object]) -> Failures:
    try:
        run()
    except SpecError as error:
        calls = _blamed_calls(path, options.overrides)
        return tuple(dict.fromkeys(_diagnosed(diagnostic, calls) for diagnostic in error.diagnostics))
    except Exception as error:  # a crash of any kind is what is looked for
        return (_crash(error),)
    return ()


def _blamed_calls(path: Path, overrides: Overrides) -> Mapping[str, list[tuple[str, str]]]:
    """Return the op and path of the calls at each place of the spec; nothing for one that does not check."""
    calls: dict[str, list[tuple[str, str]]] = {}
    try:
        checked = check_spec(path, overrides)
    except Exception:  # the spec may crash the checker as well
        return calls
    for call in checked.program.calls:
        calls.setdefault(_place(call.span), []).append((call.component.op, call.path))
    return calls


def _place(span: object) -> str:
    return repr(span)


def _diagnosed(diagnostic: Diagnostic, calls: Mapping[str, list[tuple[str, str]]]) -> Failure:
    """Return the failure that a diagnostic stands for: several components on one span are told apart by the message."""
    at = calls.get(_place(diagnostic.span), [])
    named = [(op, path) for op, path in at if f"'{path}'" in diagnostic.message] or at
    op, path = named[0] if named else ("", "")
    if diagnostic.message.startswith("the output "):  # of which no component is at fault
        op = f"output of {op}" if op and diagnostic.code == "P701" else op
    return Failure(diagnostic.code, op, path, diagnostic.message)


def _crash(error: Exception) -> Failure:
    """Return the failure that an exception stands for: its class, and the last function of stackc that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOM)]
    where = ""
    if frames:
        module = Path(frames[-1].filename).relative_to(ROOM).with_suffix("")
        where = f"{'.'.join(module.parts)}.{frames[-1].name}"
    return Failure(type(error).__name__, where, message=str(error).split("\n", 1)[0])


# -- candidates


@dataclass(frozen=True)
class Trial:
    """A candidate that still fails; `checked` is None if it does not check."""

    failures: Failures
    checked: Checked | None


Prepare: TypeAlias = Callable[[Checked, Path], bool]
"""Writes what a candidate needs beside its spec to a folder; False if that cannot be."""


@dataclass
class Oracle:
    """Judges candidate texts in a folder of its own, each once; nothing fails any more after the deadline.

    `target` is the failure that has to stay, `allowed` all that the spec showed at first: a candidate that fails in
    another way as well has become another case. With `must_check`, a candidate that does not check is rejected unbuilt.
    """

    judge: Judge
    target: Failure
    allowed: frozenset[Failure]
    folder: Path
    trust: tuple[str, ...] = ()
    must_check: bool = True
    file: str = "reduced.yaml"
    deadline: float = float("inf")
    tried: int = 0
    answers: dict[str, Trial | None] = field(default_factory=dict)

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.deadline

    def key(self, text: str, seed: int) -> str:
        """Return the key of a candidate in `answers`."""
        return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()

    def fails(self, text: str, seed: int, prepare: Prepare | None = None) -> Trial | None:
        """Return the trial of a candidate that still fails in the same way; None for any other."""
        key = self.key(text, seed)
        if key not in self.answers:
            if self.late:
                return None
            self.answers[key] = self._try(text, seed, prepare)
        return self.answers[key]

    def remember(self, text: str, seed: int, failures: Failures, checked: Checked | None) -> None:
        """Keep the answer about a text that was judged already."""
        self.answers[self.key(text, seed)] = Trial(failures, checked)

    def _try(self, text: str, seed: int, prepare: Prepare | None) -> Trial | None:
        path = self.folder / self.file
        path.write_text(text, encoding="utf-8")
        checked = self._check(path)
        if self.must_check and (checked is None or (prepare is not None and not prepare(checked, self.folder))):
            return None

        self.tried += 1
        failures = self.judge(path, seed)
        same = self.target in failures and self.allowed.issuperset(failures)
        return Trial(failures, checked) if same else None

    def check(self, text: str) -> Checked | None:
        """Check a text; None if it is no spec, has mistakes, or crashes the checker."""
        path = self.folder / self.file
        path.write_text(text, encoding="utf-8")
        return self._check(path)

    def _check(self, path: Path) -> Checked | None:
        try:
            return check_spec(path, Overrides(trust=self.trust))
        except Exception:  # a candidate may be no spec, or crash the checker
            return None
