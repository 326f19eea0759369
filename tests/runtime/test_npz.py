"""Arrays in files: what numpy writes is read, what is written numpy reads, and nothing in a file is ever run."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stackc.core.diagnostics import SpecError
from stackc.runtime import read_npz, write_npz


def problem(path: Path) -> tuple[str, str]:
    with pytest.raises(SpecError) as raised:
        read_npz(path)
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_reads_what_numpy_writes(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", ids=np.arange(6).reshape(2, 3), scale=np.float32(2))
    arrays = read_npz(tmp_path / "x.npz")
    assert arrays["ids"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (arrays["scale"].dtype, arrays["scale"].shape) == (np.dtype("float32"), ())


def test_numpy_reads_what_is_written_whatever_the_names(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    write_npz(path, {"file": np.ones((2, 3), "float32"), "encoder.3/y": np.array([True]), "输出": np.arange(3)})
    with np.load(path) as file:
        assert {name: file[name].tolist() for name in file.files} == {
            "file": [[1, 1, 1], [1, 1, 1]],
            "encoder.3/y": [True],
            "输出": [0, 1, 2],
        }
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_arrays_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_npz(tmp_path / name, {"y": np.arange(5)})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_error_there_is_no_file(tmp_path: Path) -> None:
    assert problem(tmp_path / "x.npz") == ("R421", f"cannot read {tmp_path / 'x.npz'}: No such file or directory")
    assert problem(tmp_path) == ("R421", f"cannot read {tmp_path}: Is a directory")


@pytest.mark.parametrize("cut", [0, 1, 30, 100, 250])
def test_error_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, ids=np.arange(6))
    path.write_bytes(path.read_bytes()[:cut])
    code, message = problem(path)
    assert code == "R422"
    assert message.startswith(f"{path} is not a whole .npz file: ")


def test_error_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, ids=np.arange(600) % 7)
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    assert problem(path)[0] == "R422"


def test_error_objects_are_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (tmp_path.joinpath("trapped").mkdir, ())

    path = tmp_path / "x.npz"
    np.savez(path, ids=np.array([Trap()], dtype=object))
    message = f"{path} is not a whole .npz file: an array holds Python objects, not numbers"
    assert problem(path) == ("R422", message)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("junk", [b"junk, and more", pickle.dumps({"a": 1}), b"", b"PK\x03\x04junk", b"\x80\x04"])
def test_error_junk_is_not_answered_with_advice_to_unpickle(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(junk)
    code, message = problem(path)
    assert code == "R422"
    assert message.startswith(f"{path} is not a whole .npz file: ")
    assert "pickle" not in message


def test_error_one_array_without_a_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    assert problem(tmp_path / "x.npy") == ("R422", f"{tmp_path / 'x.npy'} holds one array without a name")


def test_error_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert problem(tmp_path / "x.npz") == ("R422", f"'readme.txt' in {tmp_path / 'x.npz'} is not an array")


def test_error_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"R423.*cannot write .*No such file or directory"):
        write_npz(tmp_path / "missing" / "y.npz", {"y": np.arange(3)})


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    write_npz(path, {"y": np.arange(3)})
    with pytest.raises(ValueError, match="allow_pickle"):
        write_npz(path, {"y": np.array([object()])})
    assert read_npz(path)["y"].tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]
