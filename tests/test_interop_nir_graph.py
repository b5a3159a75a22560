"""NIR graphs that are no networks: refused by the name of the node, with what to do."""

from __future__ import annotations

import copy

import nir
import numpy as np
import pytest

from mxsnn import nn
from mxsnn.discrete import euler
from mxsnn.interop import from_nir
from mxsnn.interop.from_nir import UNREAD
from mxsnn.interop.nir_graph import Walk


def test_graphs_that_are_no_chain_are_refused_by_the_node() -> None:
    one = np.ones(2)
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "a": nir.Scale(one),
        "b": nir.Scale(one),
        "c": nir.IF(one, one),
        "output": nir.Output({"output": np.array([2])}),
    }
    straight = [("input", "a"), ("a", "b"), ("b", "c"), ("c", "output")]
    for edges, message in (
        ([*straight, ("a", "c")], r"layer a \(Scale\): leads to b, c; a network is a chain"),
        ([("input", "a"), ("a", "b")], r"layer b \(Scale\): leads to nothing; lead it on to output"),
        ([*straight, ("a", "d")], "edges of the graph lead to d, which is no node of it"),
        ([*straight, ("b", "b")], r"layer b \(Scale\): hears itself; only neurons do"),
        ([("input", "a"), ("a", "c"), ("c", "b"), ("b", "a"), ("c", "output")], "sums input, b; a network is"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            from_nir(nir.NIRGraph(dict(nodes), edges, type_check=False), dt=1.0, scheme=euler)
    looped = nir.NIRGraph(
        {**nodes, "b": nir.Delay(one)}, [("input", "c"), ("c", "b"), ("b", "c"), ("c", "output")], type_check=False
    )
    with pytest.raises(ValueError, match=r"layer c \(IF\): hears itself through Delay; a cycle has one Linear, Affine or Scale"):
        from_nir(looped, dt=1.0, scheme=euler)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (nir.Delay(np.full(2, 1.4e-3)), r"delay \(Delay\): waits 1.4 ms, no whole number of steps of 1 ms"),
        (nir.LIF(*np.array([[0.0], [1], [0], [1]])), "its time constants must be positive and finite"),
        (
            nir.LIF(*np.array([[9e-3] * 2, [1] * 2, [0] * 2, [1] * 2, [0, 2]])),
            "resets differ, and some lie at the threshold or above",
        ),
        (nir.Linear(np.ones((2, 3, 3))), r"has weights \[2, 3, 3\]"),
        (nir.Flatten({"input": np.array([2, 3, 4])}, 1, -1), "flattens axes 1 to -1 of 3"),
    ],
)
def test_nodes_that_cannot_be_stepped_are_refused(node, message) -> None:
    with pytest.raises(ValueError, match=message):
        from_nir(nir.NIRGraph.from_list(node, type_check=False), dt=1.0, scheme=euler)


TWO = np.ones(2)
NODES = {
    "Linear": (nir.Linear(np.ones((3, 2), np.float32)), (2,)),
    "Affine": (nir.Affine(np.ones((3, 2), np.float32), np.ones(3)), (2,)),
    "Conv1d": (nir.Conv1d(5, np.ones((4, 1, 3)), 1, 1, 1, 2, np.ones(4)), (2, 5)),
    "Conv2d": (nir.Conv2d((5, 6), np.ones((4, 1, 3, 2)), (1, 2), (1, 0), (1, 1), 2, np.ones(4)), (2, 5, 6)),
    "SumPool2d": (nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])), (2, 5, 6)),
    "Flatten": (nir.Flatten({"input": np.array([2, 5, 6])}, 0, -1), (2, 5, 6)),
    "Scale": (nir.Scale(TWO), (2,)),
    "Delay": (nir.Delay(1e-3 * TWO), (2,)),
    "Threshold": (nir.Threshold(TWO), (2,)),
    "IF": (nir.IF(TWO, TWO, 0 * TWO), (2,)),
    "LI": (nir.LI(4e-3 * TWO, TWO, TWO), (2,)),
    "LIF": (nir.LIF(4e-3 * TWO, TWO, 0 * TWO, TWO, 0 * TWO), (2,)),
    "CubaLIF": (nir.CubaLIF(4e-3 * TWO, 4e-3 * TWO, TWO, 0 * TWO, TWO, 0 * TWO, TWO), (2,)),
}
NONSENSE = [np.nan, -np.inf * TWO, 1e60, 10**25, "text", b"x", {}, np.zeros(0), np.ones((1,) * 40), [1, None], 1j]


def between(node, shape) -> nir.NIRGraph:
    nodes = {"i": nir.Input({"input": shape}), "n": node, "o": nir.Output({"output": np.array([1])})}
    return nir.NIRGraph(nodes, [("i", "n"), ("n", "o")], type_check=False)


@pytest.mark.parametrize("kind", NODES)
def test_nonsense_in_a_node_is_refused_by_its_name(kind) -> None:
    """Each field of each node: one line of a ValueError, no warning, nothing else."""
    good, shape = NODES[kind]
    from_nir(between(good, np.array(shape)), dt=1.0, scheme=euler)
    for field in set(vars(good)) - set(UNREAD):
        for value in [*NONSENSE, *([0.5, -2, 0] if field in ("stride", "dilation", "groups", "kernel_size") else [])]:
            node = copy.copy(good)
            setattr(node, field, value)
            with pytest.raises(ValueError, match=rf"^layer n \({kind}\): .*; ") as error:
                from_nir(between(node, np.array(shape)), dt=1.0, scheme=euler)
            assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("shape", [*NONSENSE[:8], [0], [-1], [2.5], [2**40], [2**20] * 3, [np.inf]])
def test_nonsense_for_the_shape_of_a_sample_is_refused(shape) -> None:
    with pytest.raises(ValueError, match=r"^the graph's input i states the shape .*; set it to that of a sample, channel first"):
        from_nir(between(nir.Scale(TWO), shape), dt=1.0, scheme=euler)


def test_numbers_that_overflow_when_they_are_put_together_are_refused() -> None:
    """A resistance and a weight that float32 has, and their product, which it has not."""
    node = nir.CubaLIF(4e-3 * TWO, 4e-3 * TWO, np.array([1e30, 2e30]), 0 * TWO, TWO, 0 * TWO, 1e30 * TWO)
    with pytest.raises(ValueError, match=r"^layer n \(CubaLIF\): has numbers that float32 does not hold .* \(overflow"):
        from_nir(between(node, np.array([2])), dt=1.0, scheme=euler)


def test_what_is_no_graph_is_refused() -> None:
    for wrong in (nir.Scale(TWO), None, 3):
        with pytest.raises(ValueError, match=r"from_nir takes a nir\.NIRGraph or the path of a file; got"):
            from_nir(wrong, dt=1.0, scheme=euler)


def test_a_long_chain_is_walked_in_time() -> None:
    """A thousand layers: each looks for ways back to it, of which there are none."""
    graph = nir.NIRGraph.from_list(*(nir.Scale(TWO) for _ in range(1000)), type_check=False)
    assert len(list(Walk(graph))) == 1000


def test_recurrent_layers_as_spyx_writes_them_are_refused_with_the_way_out() -> None:
    """Their input is led into the weights, of which spyx itself makes nothing; into the neurons, it is read."""
    sides = {"input": np.array([2])}, {"output": np.array([2])}
    inner = {
        "l.input": nir.Input(sides[0]),
        "l.w_rec": nir.Linear(np.eye(2)),
        "l.lif": NODES["LIF"][0],
        "l.output": nir.Output(sides[1]),
    }
    edges = [("l.input", "l.w_rec"), ("l.w_rec", "l.lif"), ("l.lif", "l.w_rec"), ("l.lif", "l.output")]

    def graph(edges) -> nir.NIRGraph:
        return between(nir.NIRGraph(dict(inner), edges, type_check=False), sides[0]["input"])

    message = (
        r"layer n\.l\.w_rec \(Linear\): sums n\.l\.lif, i; only what neurons hear of each other .*: lead the input to n\.l\.lif"
    )
    with pytest.raises(ValueError, match=message):
        from_nir(graph(edges), dt=1.0, scheme=euler)
    mended = from_nir(graph([("l.input", "l.lif"), *edges[1:]]), dt=1.0, scheme=euler)
    assert isinstance(mended.layers[0], nn.Recurrent)


def test_residual_sums_are_refused_by_the_node() -> None:
    """Two ways that part and join again."""
    nodes = {k: nir.Scale(TWO) for k in ("a", "b")} | {"lif": NODES["LIF"][0]}
    ends = {"in": nir.Input({"input": np.array([2])}), "out": nir.Output({"output": np.array([2])})}
    edges = [("in", "a"), ("a", "b"), ("a", "lif"), ("b", "lif"), ("lif", "out")]
    with pytest.raises(ValueError, match=r"layer a \(Scale\): leads to b, lif; .*convert its branches one by one"):
        from_nir(nir.NIRGraph(nodes | ends, edges), dt=1.0, scheme=euler)


def test_nodes_of_graphs_in_graphs_with_one_name_are_refused() -> None:
    """Of which one would take the place of the other."""
    inner = between(nir.Scale(2 * TWO), np.array([2]))
    outer = {
        "i": nir.Input({"input": np.array([2])}),
        "sub": inner,
        "sub.n": nir.Scale(TWO),
        "o": nir.Output({"output": np.array([2])}),
    }
    graph = nir.NIRGraph(outer, [("i", "sub"), ("sub", "sub.n"), ("sub.n", "o")], type_check=False)
    with pytest.raises(ValueError, match=r"layer sub: its node is called sub\.n, as another one of the graph is; rename one"):
        from_nir(graph, dt=1.0, scheme=euler)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", "<i4", "|b1"])
def test_numbers_of_any_type_are_read(dtype) -> None:
    """Of machines with another order of bytes, too."""
    weight, bias = np.array([[1, 0], [1, 1], [0, 1]], dtype), np.array([1, 0, 1], dtype)
    for node in (nir.Linear(weight), nir.Affine(weight, bias)):
        layer = from_nir(between(node, np.array([2])), dt=1.0, scheme=euler).layers[0]
        np.testing.assert_array_equal(layer.kernel[...], weight.T.astype(np.float32))
    np.testing.assert_array_equal(layer.bias[...], bias.astype(np.float32))
    one = np.array([1, 1], dtype)
    neuron = from_nir(between(nir.IF(one, one), np.array([2])), dt=1.0, scheme=euler, unit=1.0).layers[0].neuron
    assert neuron.resistance == neuron.threshold == 1.0
