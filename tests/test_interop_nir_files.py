"""Files of NIR graphs that are damaged or lead elsewhere: one line in a bounded time, no hang, no crash, no other file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from mxsnn.discrete import euler
from mxsnn.errors import UserError
from mxsnn.interop import from_nir

HERE = Path(__file__).parent
ONE = np.ones(3, np.float32)


def write(path: Path) -> Path:
    """Dense layers and neurons, with metadata and compressed weights."""
    nodes = nir.Linear(np.ones((3, 2), np.float32)), nir.LIF(9e-3 * ONE, ONE, 0 * ONE, ONE, 0 * ONE), nir.Affine(np.eye(3), ONE)
    graph = nir.NIRGraph.from_list(*nodes)
    graph.metadata = {"unit_of_time": "s", "dt": 1e-3}
    nir.write(path, graph)
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    return write(tmp_path / "network.nir")


def refused(path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        from_nir(path, dt=1.0, scheme=euler)
    assert str(path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400 + len(str(path))


def test_a_whole_file_is_read(path) -> None:
    for given in (path, str(path)):
        assert len(from_nir(given, dt=1.0, scheme=euler).layers) == 3


def test_files_that_are_no_graphs(tmp_path, path) -> None:
    whole = path.read_bytes()
    for content, message in (
        (b"", "not a NIR graph in HDF5: it does not begin as one does"),
        (b"no graph", "not a NIR graph in HDF5"),
        (whole[: len(whole) // 2], r"cut short: [\d,]+ of its [\d,]+ bytes are there; get it anew"),
        (whole[:-1], "cut short"),
        (whole[:13] + b"\4" + whole[14:], "its addresses have 4 bytes and its lengths 8"),
    ):
        path.write_bytes(content)
        refused(path, message)
    refused(tmp_path / "none.nir", "no such file")
    refused(tmp_path, "not a file; name one that nir.write wrote")
    os.mkfifo(tmp_path / "pipe.nir")  # of which nobody would know when it ends
    refused(tmp_path / "pipe.nir", "not a file")


# ---- what the HDF5 library would follow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 2**64 - 16, 2**63, 2**32, 8, 4000])
@pytest.mark.parametrize("free", [False, True])
def test_heaps_of_texts_that_do_not_add_up(path, length, free) -> None:
    """The library goes round in a circle for ever where an object of a heap has a length that leads back to it."""
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16  # the first object: "1.0.8"
    data[at : at + 2] = b"\0\0" if free else data[at : at + 2]
    data[at + 8 : at + 16] = length.to_bytes(8, "little")
    path.write_bytes(data)
    if length == 8 and not free:
        from_nir(path, dt=1.0, scheme=euler)
    else:
        refused(path, r"damaged: a heap of texts at byte [\d,]+ does not add up|bad heap pointer")


def test_texts_that_are_no_texts(path) -> None:
    """A sequence of another type, for which the library reads a text, ended the process; lengths of gigabytes were reserved."""
    with h5py.File(path, "r+") as file:
        del file["node/nodes/lif/type"]
        file["node/nodes/lif/type"] = np.array([np.arange(3), np.arange(2)], object)[0].astype(np.int32)
        del file["node/edges"]
        file.create_dataset("node/edges", (2,), h5py.vlen_dtype(np.int32))
    refused(path, "node/edges holds neither numbers nor text, but object")
    write(path)
    with h5py.File(path, "r") as file:
        at = file["node/edges"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    refused(path, r"/node/edges states texts of 4,294,\d+,\d+ bytes, more than the file has")


def test_arrays_that_the_file_cannot_hold(path) -> None:
    """Chunks of which nothing is stored, and sizes beyond what compression makes of a byte."""
    for shape, chunks, message in (
        ((10**7, 10**7), (64, 64), "states 400,000,000,000,000 bytes, more than the file can hold"),
        ((64, 64), (64, 64), "states 1 chunks of 16,384 bytes, of which 0 can be read"),
        ((8, 8), None, "states 256 bytes, of which 0 are there"),
    ):
        write(path)
        with h5py.File(path, "r+") as file:
            del file["node/nodes/linear/weight"]
            file.create_dataset("node/nodes/linear/weight", shape, np.float32, chunks=chunks)
        refused(path, message)


# ---- what leads elsewhere -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["soft", "external", "virtual", "stored outside"])
def test_no_link_leads_out_of_a_file(path, tmp_path, link) -> None:
    other = write(tmp_path / "other.nir")
    weight = "node/nodes/linear/weight"
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(path, "r+") as file:
        del file[weight]
        if link == "soft":
            file[weight] = h5py.SoftLink("/node/nodes/affine/weight")
        elif link == "external":
            file[weight] = h5py.ExternalLink(str(other), weight)
        elif link == "virtual":
            layout = h5py.VirtualLayout((3, 2), np.float32)
            layout[:] = h5py.VirtualSource(str(other), weight, (3, 2))
            file.create_virtual_dataset(weight, layout)
        else:
            file.create_dataset(weight, (3, 2), np.float32, external=[(str(tmp_path / "raw"), 0, 24)])
    refused(path, "which is not followed|which are not followed")


def test_groups_that_hold_themselves(path) -> None:
    with h5py.File(path, "r+") as file:
        file["node/nodes/again"] = file["node"]
    refused(path, "lies in more than 64 groups")


def test_groups_that_are_held_twice_each(path) -> None:
    """Forty groups of two links are a million million ways."""
    with h5py.File(path, "r+") as file:
        inner = file.create_group("deep")
        for i in range(40):
            outer = file.create_group(f"deep{i}")
            outer["a"] = outer["b"] = inner
            inner = outer
        file["node/metadata/deep"] = inner
    refused(path, "it holds more than 65,536 members, or groups that hold themselves")


def test_nodes_that_the_package_does_not_know(path) -> None:
    for kind, message in (
        ("Adaptive", r"node lif is of type 'Adaptive', which nir [\d.]+ does not know; install a newer nir"),
        ("read", "node lif is of type 'read', which nir"),
        ("NIRGraph", "not a NIR graph in HDF5: The incoming dictionary"),
        (1.0, "node lif is of type "),
        (None, "node lif is of type None"),
    ):
        write(path)
        with h5py.File(path, "r+") as file:
            del file["node/nodes/lif/type"]
            if kind is not None:
                file["node/nodes/lif/type"] = kind
        refused(path, message)
    write(path)
    with h5py.File(path, "r+") as file:
        del file["node/nodes/lif/tau"]
    refused(path, "not a NIR graph in HDF5: .*tau")
    for name, message in (
        ("node/nodes/lif", "node lif is no group of values"),
        ("node/nodes", "not a NIR graph"),
        ("node", "no group"),
    ):
        with h5py.File(path, "r+") as file:
            del file[name]
            file[name] = 3.0
        refused(path, message)


def test_a_file_of_one_node_says_what_to_do(path) -> None:
    nir.write(path, nir.LIF(9e-3 * ONE, ONE, 0 * ONE, ONE, 0 * ONE))
    with pytest.raises(ValueError, match=r"from_nir takes a nir\.NIRGraph or the path of a file; got LIF"):
        from_nir(path, dt=1.0, scheme=euler)


# ---- damage at random -----------------------------------------------------------------------------------------------------------

CHILD = """
import json, re, sys, warnings
from pathlib import Path
import numpy as np
from mxsnn.discrete import euler
from mxsnn.interop import from_nir

warnings.simplefilter("error")
seeds = [Path(p).read_bytes() for p in sys.argv[2:]]
path, told = Path(sys.argv[1]), {"valid": 0, "refused": 0, "wrong": []}
for i in range(160):
    rng = np.random.default_rng(i)
    data = bytearray(seeds[i % len(seeds)])
    if i % 10 == 0:
        del data[rng.integers(len(data)):]
    marks = [found.start() for found in re.finditer(rb"TREE|HEAP|SNOD|GCOL", data)] or [0]
    for _ in range(rng.choice([1, 2, 8]) if i % 10 else 0):  # where the file says what it holds, more often than in what it holds
        at = int(rng.choice(marks)) + int(rng.integers(200)) if rng.random() < 0.7 else int(rng.integers(len(data)))
        data[min(at, len(data) - 1)] = rng.choice([0, 1, 255, int(rng.integers(256))])
    path.write_bytes(data)
    print(i, file=sys.stderr, flush=True)
    try:
        from_nir(path, dt=0.1, scheme=euler)
        told["valid"] += 1
    except ValueError as error:
        told["refused"] += 1
        if len(str(error).splitlines()) != 1:
            told["wrong"].append([i, str(error)])
    except BaseException as error:
        told["wrong"].append([i, repr(error)])
print(json.dumps(told))
"""


def test_damage_is_refused_or_does_not_matter(path, tmp_path) -> None:
    """Files cut short and with bytes changed, in a process of their own: one line for each, no crash, and an end."""
    seeds = 3 * [write(tmp_path / "seed.nir")] + [HERE / "golden" / "snntorch.nir"]
    given = [sys.executable, "-c", CHILD, str(tmp_path / "damaged.nir"), *map(str, seeds)]
    done = subprocess.run(given, capture_output=True, text=True, timeout=120, cwd=HERE.parent)
    assert done.returncode == 0, f"the process ended over file {done.stderr.split()[-3:]}"
    told = json.loads(done.stdout)
    assert not told["wrong"] and told["valid"] > 30 and told["refused"] > 50
