"""The cache: damaged or foreign entries count as missing, no failure is raised, and its size is bounded."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stackc.cache import MOST_BYTES, UNUSED_SECONDS, Cache, user_cache

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_what_was_written_is_read(cache: Cache) -> None:
    assert cache.read(A) is None
    cache.write(A, b"one")
    cache.write(B, b"")
    assert (cache.read(A), cache.read(B), cache.read(C)) == (b"one", b"", None)
    cache.write(A, b"two")
    assert cache.read(A) == b"two"
    assert sorted(path.name for path in cache.folder.iterdir()) == [A, B]


def test_torn_flipped_and_foreign_entries_are_missing_and_can_be_rewritten(cache: Cache) -> None:
    cache.write(A, b"content")
    cache.write(B, b"content")
    whole = (cache.folder / A).read_bytes()
    broken = [whole[:size] for size in range(len(whole))]
    broken += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    broken += [whole + b"\0", (cache.folder / B).read_bytes()]  # of another key
    for data in broken:
        (cache.folder / A).write_bytes(data)
        assert cache.read(A) is None
    cache.write(A, b"content")
    assert cache.read(A) == b"content"


def test_a_folder_that_cannot_be_written_is_like_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = Cache(tmp_path / "file" / "cache")
    cache.write(A, b"content")
    cache.trim()
    assert (cache.read(A), cache.entries(), cache.clear()) == (None, [], (0, 0))


def test_a_full_disk_leaves_nothing_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache.write(A, b"content")
    monkeypatch.setattr(os, "replace", full)
    cache.write(A, b"other")
    cache.write(B, b"other")
    assert (cache.read(A), cache.read(B)) == (b"content", None)
    assert [path.name for path in cache.folder.iterdir()] == [A]


def test_a_folder_in_place_of_an_entry(cache: Cache) -> None:
    (cache.folder / A).mkdir(parents=True)
    cache.write(A, b"content")
    assert cache.read(A) is None
    assert [path.name for path in cache.folder.iterdir()] == [A]


def aged(cache: Cache, key: str, size: int, days: float) -> None:
    cache.write(key, bytes(size))
    then = time.time() - days * 24 * 3600
    os.utime(cache.folder / key, (then, then))


def kept(cache: Cache) -> str:
    return "".join(entry.path.name[0] for entry in cache.entries())


def test_what_is_long_unused_goes(cache: Cache) -> None:
    aged(cache, A, 1, 29)
    aged(cache, B, 1, 31)
    cache.trim()
    assert kept(cache) == "a"


def test_the_longest_unused_go_if_it_is_too_large_and_reading_is_use(cache: Cache) -> None:
    for key, days in ((A, 3), (B, 2), (C, 1)):
        aged(cache, key, 1000, days)
    assert cache.read(A)
    assert kept(cache) == "bca"
    cache.trim(most=2 * (1000 + 32))
    assert kept(cache) == "ca"
    cache.trim(most=0)
    assert kept(cache) == ""


def test_what_a_killed_build_left_goes_but_not_what_another_is_writing(cache: Cache) -> None:
    cache.write(A, b"content")
    for name, age in (("unfinished-old", 2 * 3600), ("unfinished-new", 60), ("mine.txt", 1e9)):
        (cache.folder / name).write_bytes(b"x")
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    cache.trim()
    assert {path.name for path in cache.folder.iterdir()} == {A, "unfinished-new", "mine.txt"}
    assert cache.clear() == (1, 32 + 7)
    assert {path.name for path in cache.folder.iterdir()} == {"unfinished-new", "mine.txt"}


@pytest.mark.slow
def test_two_processes_at_once_never_read_half_an_entry(cache: Cache) -> None:
    """Each writes the same few keys repeatedly and reads them: every time the whole of one of the two contents."""
    code = """
import sys
from pathlib import Path
from stackc.cache import Cache
cache, mine = Cache(Path(sys.argv[1])), sys.argv[2].encode() * 50_000
for turn in range(300):
    key = "abc"[turn % 3] * 64
    cache.write(key, mine)
    content = cache.read(key)
    assert content is not None and len(content) == 50_000 and len(set(content)) == 1, content and content[:10]
"""

    processes = [subprocess.Popen([sys.executable, "-c", code, str(cache.folder), letter]) for letter in "xy"]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert kept(cache) in ("abc", "acb", "bac", "bca", "cab", "cba")


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STACKC_CACHE", str(tmp_path / "mine"))
    assert user_cache() == Cache(tmp_path / "mine")
    monkeypatch.setenv("STACKC_CACHE", "near")
    assert user_cache() == Cache(Path.cwd() / "near")
    monkeypatch.setenv("STACKC_CACHE", "")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert user_cache() == Cache(Path("/var/cache/ada/stackc"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says to ignore it
    assert user_cache() == Cache(Path("/home/ada/.cache/stackc"))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_cache() == Cache(Path("/home/ada/Library/Caches/stackc"))


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "stackc", "cache", *arguments]
    return subprocess.run(
        whole, env={**os.environ, "STACKC_CACHE": str(folder)}, capture_output=True, text=True, check=True
    )


def test_the_command(cache: Cache) -> None:
    cache.write(A, bytes(968))
    cache.write(B, bytes(968))
    assert command(cache.folder).stdout == f"{cache.folder}: 2 compiled components, 2 kB\n"
    assert json.loads(command(cache.folder, "--json").stdout) == {
        "folder": str(cache.folder),
        "components": 2,
        "bytes": 2000,
    }
    assert command(cache.folder, "--clear").stdout == f"{cache.folder}: 2 compiled components, 2 kB removed\n"
    assert json.loads(command(cache.folder, "--clear", "--json").stdout)["removed"] == 0
    assert not list(cache.folder.iterdir())


def test_the_help_states_the_bounds() -> None:
    text = " ".join(command(Path("unused"), "--help").stdout.split())
    assert f"for {UNUSED_SECONDS // (24 * 3600)} days" in text
    assert f"{MOST_BYTES >> 20} MiB" in text
