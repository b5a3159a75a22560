"""Checkpoints of torch as archives of arrays, by the command: what is converted, and what is refused in a line."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from mxsnn.cli import main
from mxsnn.interop import convert_weights, load_weights, read_weights


def test_the_command_says_what_is_wrong_in_a_line(tmp_path, capsys) -> None:
    (tmp_path / "there.npz").write_bytes(b"mine")
    for arguments, message in (
        (["a.pt", str(tmp_path / "out.bin")], "weights are written as .npz; name it out.npz"),
        (["a.pt", str(tmp_path / "there.npz")], "there.npz exists; choose another name, or replace it by --overwrite"),
    ):
        assert main(["convert-weights", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert (tmp_path / "there.npz").read_bytes() == b"mine"


def test_without_torch_the_command_says_so(tmp_path) -> None:
    """In a process whose torch cannot be imported, whether it is installed or not."""
    code = (
        "import sys; sys.modules['torch'] = None\nfrom mxsnn.cli import main\nsys.exit(main(['convert-weights', 'a.pt', 'b.npz']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "torch, which is not installed" in done.stderr


@pytest.mark.peers
def test_a_checkpoint_becomes_an_archive_of_its_tensors(tmp_path, capsys) -> None:
    torch = pytest.importorskip("torch")
    state = {
        "fc.weight": torch.randn(3, 2),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "file": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "turned": torch.arange(6.0).reshape(2, 3).T,
    }
    torch.save(state, tmp_path / "a.pt")
    torch.save({"epoch": 3, "model": state}, tmp_path / "b.pt")
    assert main(["convert-weights", str(tmp_path / "a.pt"), str(tmp_path / "a.npz")]) == 0
    told = capsys.readouterr().out
    assert "fc.weight  float32  3x2" in told and "file       int64    a number" in told and "a.npz: 5 arrays" in told
    assert main(["convert-weights", str(tmp_path / "b.pt"), str(tmp_path / "b.npz"), "--key", "model"]) == 0
    for name in ("a.npz", "b.npz"):
        found = read_weights(tmp_path / name)
        assert list(found) == list(state) and found["half"].dtype == np.float32
        for key, tensor in state.items():
            np.testing.assert_array_equal(found[key], tensor.float().numpy() if key == "half" else tensor.numpy())
    assert not list(tmp_path.glob("*.part"))
    convert_weights(tmp_path / "a.pt", tmp_path / "a.npz", overwrite=True)


class Code:
    """What a checkpoint may hold beside weights: unpickled, it would run."""

    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.peers
def test_checkpoints_that_are_no_state_dicts_are_refused_in_a_line(tmp_path, capsys) -> None:
    torch = pytest.importorskip("torch")
    tensors = {"w": torch.ones(2)}
    saved = {
        "code.pt": {"w": torch.ones(2), "more": Code()},
        "module.pt": torch.nn.Linear(2, 2),
        "tensor.pt": torch.ones(3),
        "empty.pt": {},
        "nested.pt": {"epoch": 3, "model": tensors, "optimizer": {"lr": 0.1}},
    }
    for name, value in saved.items():
        torch.save(value, tmp_path / name)
    (tmp_path / "text.pt").write_text("weights")
    (tmp_path / "none.pt").write_bytes(b"")
    whole = (tmp_path / "nested.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    messages = {
        "code.pt": "which is not run; save it anew by torch.save(model.state_dict(), ...)",
        "module.pt": "holds code as well as weights, torch.nn.modules.linear.Linear, which is not run",
        "tensor.pt": "holds no state dict of tensors by name, but Tensor",
        "empty.pt": "holds no state dict of tensors by name",
        "nested.pt": "is no state dict: 'epoch' is no tensor, but int; say which: --key 'model'",
        "text.pt": "",
        "none.pt": "",
        "cut.pt": "cannot be read",
        "gone.pt": "no such file",
    }
    for name, message in messages.items():
        assert main(["convert-weights", str(tmp_path / name), str(tmp_path / "out.npz")]) == 2, name
        shown = capsys.readouterr()
        assert name in shown.err and message in shown.err and shown.err.count("\n") == 1, shown.err
        assert "this ran" not in shown.out and not (tmp_path / "out.npz").exists()
    assert main(["convert-weights", str(tmp_path / "nested.pt"), str(tmp_path / "out.npz"), "--key", "best"]) == 2
    assert "has no entry 'best'; it holds 'epoch', 'model', 'optimizer'" in capsys.readouterr().err


def convert(capsys, *arguments) -> tuple[int, str]:
    """Exit code and stderr, which is empty or a line."""
    code = main(["convert-weights", *map(str, arguments)])
    error = capsys.readouterr().err
    assert error.count("\n") == (code != 0) and "\x1b" not in error
    return code, error


@pytest.mark.peers
def test_tensors_that_numpy_has_not(tmp_path, capsys) -> None:
    """Quantised, sparse, complex, conjugated, of eight bits: by their values."""
    torch = pytest.importorskip("torch")
    values = torch.tensor([[0.5, 0.0, -1.5], [0.0, 2.0, 0.25]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch is going to change
        state = {
            "quantised": torch.quantize_per_tensor(values, 0.25, 0, torch.qint8),
            "by channel": torch.quantize_per_channel(values, torch.full((2,), 0.25), torch.zeros(2), 0, torch.qint8),
            "sparse": values.to_sparse(),
            "rows": values.to_sparse_csr(),
            "float8": values.to(torch.float8_e4m3fn),
            "parameter": torch.nn.Parameter(values),
            "spread": values[:1].expand(2, 3),
        }
        turned = {"complex": values * (1 + 2j), "half": (values * (1 + 2j)).to(torch.complex32), "conj": (values * (1 - 2j)).conj()}
        torch.save(state | turned, tmp_path / "a.pt")
    assert convert(capsys, tmp_path / "a.pt", tmp_path / "a.npz")[0] == 0
    found = read_weights(tmp_path / "a.npz")
    for name in state:
        np.testing.assert_array_equal(found[name], np.broadcast_to(values[0], (2, 3)) if name == "spread" else values, err_msg=name)
        assert found[name].dtype == np.float32
    for name in turned:
        np.testing.assert_array_equal(found[name], values.numpy() * (1 + 2j), err_msg=name)
    linear = nnx.Linear(3, 2, use_bias=False, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"complex \(of complex64, no real numbers, of kernel\)"):
        load_weights(linear, found, {"kernel": "complex"}, unused=set(found))
    load_weights(linear, found, {"kernel": "quantised"}, unused=set(found))


@pytest.mark.peers
def test_checkpoints_that_hold_more(tmp_path, capsys) -> None:
    """Of DataParallel, of Lightning, of several networks, deeper ones: the error says which keys, and these work."""
    torch = pytest.importorskip("torch")
    state = {"module.fc.weight": torch.ones(2, 3), "module.fc.bias": torch.zeros(2)}
    for name, value, keys in (
        ("parallel", state, [None]),
        ("lightning", {"epoch": 3, "state_dict": state, "optimizer_states": [{}], "hyper_parameters": {"lr": 0.1}}, ["state_dict"]),
        ("several", {"encoder": state, "decoder": state}, ["encoder", "decoder"]),
        ("deep", {"run": {"step": 3, "best": {"a.b": state}}}, ["run.best.a.b"]),
    ):
        path = tmp_path / f"{name}.pt"
        torch.save(value, path)
        if keys != [None]:
            code, error = convert(capsys, path, tmp_path / "refused.npz")
            assert code == 2 and f"say which: --key {' or --key '.join(map(repr, keys))}" in error
        for key in keys:
            out = tmp_path / f"{name} {key}.npz"
            assert convert(capsys, path, out, *(["--key", key] if key else []))[0] == 0
            assert list(read_weights(out)) == list(state)
    assert convert(capsys, tmp_path / "deep.pt", tmp_path / "refused.npz", "--key", "run.worst")[0] == 2
    assert not (tmp_path / "refused.npz").exists()


@pytest.mark.peers
def test_what_cannot_be_an_array_is_named(tmp_path, capsys) -> None:
    torch = pytest.importorskip("torch")
    for value, message in (
        (
            {"w": torch.ones(1).expand(10**12)},
            "w cannot be an array ([1000000000000] numbers are more than the checkpoint",
        ),
        ({"w": torch.ones(3, device="meta")}, "w cannot be an array (Cannot copy out of meta tensor"),
        ({0: torch.ones(1)}, "a tensor is called 0, which names no array; rename it"),
        ({"": torch.ones(1)}, "a tensor is called '', which names no array"),
        ({"a\x1b[2J": torch.ones(1)}, r"a tensor is called 'a\x1b[2J', which names no array"),
        ({"a.npy": torch.ones(1), "a": torch.zeros(1)}, "a tensor is called 'a.npy', which names no array"),
        ({"x" * 70_000: torch.ones(1)}, "a tensor is called 'xxx"),
        ({"w": torch.ones(2), "w._extra_state": None}, "'w._extra_state' is no tensor, but NoneType; save a state dict of tensors"),
    ):
        torch.save(value, tmp_path / "a.pt")
        code, error = convert(capsys, tmp_path / "a.pt", tmp_path / "a.npz")
        assert code == 2 and message in error, error
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt"]


@pytest.mark.peers
def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys) -> None:
    """Saved by torch, and a plain pickle; nor does the error pass on torch's advice to run it."""
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2), "more": Code()}, tmp_path / "torch.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"w": Code()}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch is going to drop
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    for name in ("torch.pt", "pickle.pt", "script.pt"):
        assert main(["convert-weights", str(tmp_path / name), str(tmp_path / "a.npz")]) == 2
        shown = capsys.readouterr()
        assert "holds code" in shown.err and "not run; save it anew" in shown.err and shown.err.count("\n") == 1
        assert "weights_only" not in shown.err and "this ran" not in shown.out


@pytest.mark.peers
def test_what_is_there_stays(tmp_path, capsys) -> None:
    """A file, a folder, the checkpoint itself, another's unfinished file; what cannot be written leaves nothing."""
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")
    for name in ("there.npz", "new.npz.part"):
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "self.npz").write_bytes((tmp_path / "a.pt").read_bytes())
    for given, message in (
        (["a.pt", "there.npz"], "exists; choose another name, or replace it by --overwrite"),
        (["a.pt", "folder.npz", "--overwrite"], "folder.npz exists, and is no file; choose another name"),
        (["self.npz", "self.npz", "--overwrite"], "self.npz is the checkpoint itself; choose another name"),
        (["folder.npz", "new.npz"], "folder.npz: is no file; name one that torch.save wrote"),
        (["new.npz.part", "there.npz", "--overwrite"], "new.npz.part: "),
        (["a.pt", "a.pt/new.npz"], "new.npz: cannot be written (File exists); choose another folder"),
    ):
        before = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
        code, error = convert(capsys, *(tmp_path / part if not part.startswith("-") else part for part in given))
        assert code == 2 and message in error, error
        assert before == {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    assert convert(capsys, tmp_path / "a.pt", tmp_path / "further" / "new.npz")[0] == 0
    assert convert(capsys, tmp_path / "a.pt", tmp_path / "new.npz")[0] == 0
    assert (tmp_path / "new.npz.part").read_bytes() == b"mine"


@pytest.mark.peers
def test_a_folder_that_is_closed(tmp_path, capsys, monkeypatch) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")

    def refuse(*arguments) -> None:
        raise PermissionError(13, "Permission denied", "secret name")

    monkeypatch.setattr("os.replace", refuse)
    code, error = convert(capsys, tmp_path / "a.pt", tmp_path / "a.npz")
    assert code == 2 and f"{tmp_path / 'a.npz'}: cannot be written (Permission denied); choose another folder" in error
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.peers
def test_sparse_tensors_whose_values_lie_outside_are_refused(tmp_path, capsys) -> None:
    """Which ended the process when they were made dense."""
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.eye(3).to_sparse()}, tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    indices = np.array([0, 1, 2, 0, 1, 2]).tobytes()
    assert whole.count(indices) == 1
    (tmp_path / "a.pt").write_bytes(whole.replace(indices, np.array([0, 1, 2, 0, 1, 2**40]).tobytes()))
    code, error = convert(capsys, tmp_path / "a.pt", tmp_path / "a.npz")
    assert code == 2 and "a.pt: cannot be read (" in error and not (tmp_path / "a.npz").exists()
