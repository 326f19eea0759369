"""Completely or not at all: real processes, killed at random moments, with and without an exchange in one step."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stackc.artifact import atomic
from stackc.artifact.atomic import MANIFEST, atomic_folder, recover
from stackc.core.diagnostics import SpecError

pytestmark = pytest.mark.slow

FILES = 8

# Slowly writes one version of a folder after the other. Argument 2 says whether folders can be exchanged in one step:
# "with", "without", or "dies": without, and killed just after setting the earlier folder aside.
BUILDER = f"""
import os, signal, sys, time
from pathlib import Path
from stackc.artifact import atomic

target, exchange, versions = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if exchange != "with":
    atomic._exchange = lambda new, target: False
    rename = os.rename
    def slow_rename(source, destination):
        rename(source, destination)
        time.sleep(0.003)
        if exchange == "dies" and destination.name == "old":
            os.kill(os.getpid(), signal.SIGKILL)
    os.rename = slow_rename
print("ready", flush=True)
for version in range(versions):
    with atomic.atomic_folder(target) as folder:
        for number in range({FILES}):
            (folder / str(number)).write_text(f"{{sys.argv[4]}}-{{version}}\\n" * 2000)
            time.sleep(0.001)
        (folder / atomic.MANIFEST).write_text("{{}}")
"""


def start(target: Path, exchange: str, versions: int, who: str = "killed") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(target), exchange, str(versions), who]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def write(target: Path, text: str) -> None:
    with atomic_folder(target) as folder:
        for number in range(FILES):
            (folder / str(number)).write_text(f"{text}\n" * 2000)
        (folder / MANIFEST).write_text("{}")


def interrupted_build(target: Path) -> None:
    with atomic_folder(target) as folder:
        (folder / "half").write_text("")
        raise KeyboardInterrupt


def whole(target: Path) -> str:
    """Return the text of the files, which must all be the same."""
    assert sorted(path.name for path in target.iterdir()) == [*map(str, range(FILES)), MANIFEST]
    texts = {(target / str(number)).read_text() for number in range(FILES)}
    assert len(texts) == 1
    lines = texts.pop().splitlines()
    assert len(lines) == 2000
    assert len(set(lines)) == 1
    return lines[0]


@pytest.mark.parametrize("exchange", ["with", "without"])
def test_killed_at_any_moment_the_earlier_folder_stands(tmp_path: Path, exchange: str) -> None:
    target = tmp_path / "seed"
    moments = random.Random(exchange)

    begun = time.perf_counter()
    write(target, "first")
    latest = max(0.06, 4 * (time.perf_counter() - begun))  # a disk may be slow to flush
    seen = {"first"}

    for number in range(75):
        if number >= 15 and len(seen) > 1:
            break
        if number and number % 15 == 0:
            latest *= 2  # no build finished: the machine is busy
        process = start(target, exchange, versions=1_000_000)
        time.sleep(moments.uniform(0, latest))
        process.kill()
        process.communicate()
        recover(target)
        seen.add(whole(target))
    assert len(seen) > 1, "no build finished: the moments are too early"

    write(target, "last")
    assert whole(target) == "last"
    assert list(tmp_path.iterdir()) == [target], "the next build cleans what killed ones left"


@pytest.mark.parametrize("next_command", ["reads", "builds"])
def test_killed_while_set_aside_the_next_command_puts_it_back(tmp_path: Path, next_command: str) -> None:
    target = tmp_path / "seed"
    write(target, "first")
    start(target, "dies", versions=1).communicate()
    assert not target.exists()
    if next_command == "reads":
        recover(target)
    else:
        with pytest.raises(KeyboardInterrupt):
            interrupted_build(target)
        assert list(tmp_path.iterdir()) == [target]
    assert whole(target) == "first"


@pytest.mark.parametrize("exchange", ["with", "without"])
def test_two_builds_at_once(tmp_path: Path, exchange: str) -> None:
    target = tmp_path / "seed"
    processes = [start(target, exchange, versions=10, who=who) for who in ("one", "two")]
    assert [process.communicate() and process.returncode for process in processes] == [0, 0]
    assert whole(target) in ("one-9", "two-9")
    assert list(tmp_path.iterdir()) == [target]


def test_a_reader_finds_a_whole_folder_at_every_moment(tmp_path: Path) -> None:
    if atomic._renameat2() is None:
        pytest.skip("folders cannot be exchanged in one step here")
    target = tmp_path / "seed"
    write(target, "first")
    process = start(target, "with", versions=30)
    looks = 0
    while process.poll() is None:
        assert (target / MANIFEST).is_file()
        looks += 1
    process.communicate()
    assert process.returncode == 0
    assert looks > 30


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "seed"
    for _ in ("without an earlier folder", "with one"):
        with pytest.raises(KeyboardInterrupt):
            interrupted_build(target)
        assert not (target / "half").exists()
        write(target, "first")
    assert list(tmp_path.iterdir()) == [target]
    assert whole(target) == "first"


def test_interrupted_while_set_aside_the_earlier_folder_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "seed"
    write(target, "first")
    rename = os.rename

    def interrupted(source: Path, destination: Path) -> None:
        if source.name == "new":
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(atomic, "_exchange", lambda new, target: False)
    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(target, "second")
    assert whole(target) == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_living_build_writes_is_not_cleaned(tmp_path: Path) -> None:
    target = tmp_path / "seed"
    with atomic_folder(target) as folder:
        (folder / MANIFEST).write_text("{}")
        write(target, "faster")
        assert (folder / MANIFEST).is_file()
    assert [path.name for path in target.iterdir()] == [MANIFEST]


def test_a_link_to_the_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target = tmp_path / "seed"
    target.symlink_to(tmp_path / "disk" / "seed")
    write(target, "first")
    write(target, "second")
    assert target.is_symlink()
    assert whole(target) == "second"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_error_what_is_no_artifact_is_never_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "seed"
    if kind == "file":
        target.write_text("precious")
    else:
        target.mkdir()
        (target / "thesis.tex").write_text("precious")
    with pytest.raises(SpecError, match=r"A607.*seed exists and is not an artifact; nothing was written"):
        write(target, "first")
    assert (target if kind == "file" else target / "thesis.tex").read_text() == "precious"
    assert list(tmp_path.iterdir()) == [target]


def test_error_nowhere_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match=r"A608.*cannot write .*(Not a directory|File exists)"):
        write(tmp_path / "file" / "seed", "first")
