"""Operations counted by hand, by loops that look at each product, and by theory; energy from them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import latency
from mxsnn import nn
from mxsnn.energy import FLOAT32, INT8, Figures, break_even, count, energy, energy_table
from mxsnn.events import Events, Frames, Recording
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import IF, LIF
from tests.test_documents import without_numbers

RNG = np.random.default_rng(0)


def spikes(*shape: int, most: int = 2, seed: int = 0) -> np.ndarray:
    """Numbers of spikes, most of them 0."""
    return np.random.default_rng(seed).integers(-1, most, shape).clip(0).astype(np.float32)


# --- by hand ---------------------------------------------------------------------------------------------------------------------

KERNEL = jnp.ones((3, 3, 1, 2))
DENSE = np.full((8, 2), 0.5, np.float32)
PICTURE = np.array([[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32)


def small(xs):
    """A 3x3 convolution with stride 2 and a border of 1, 4x4 -> 2x2 pixels of 2 channels; fires at 1; 8 -> 2."""
    x = xs.reshape(-1, 4, 4, 1)
    x = jax.lax.conv_general_dilated(x, KERNEL, (2, 2), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return (x >= 1).astype(jnp.float32).reshape(-1, 8) @ DENSE


def test_a_network_counted_by_hand() -> None:
    # Stride 2, border 1: outputs 0 and 1 of an axis read pixels -1, 0, 1 and 1, 2, 3. So pixels 0 and 2 and 3 are read by one
    # output each, pixel 1 by two: 5 pairs of a pixel with an output an axis, 25 in the plane, 50 with both channels.
    # Pixel (0, 0) holds 2 and is read 1 x 1 times, (1, 1) holds 1 and is read 2 x 2 times, (3, 3) holds 1 and is read once:
    # 2 + 4 + 1 = 7 synaptic operations a channel, so 14; each number counted once: 1 + 4 + 1 = 6, so 12.
    # Outputs of a channel: (0, 0) sums 2 + 1 = 3, (0, 1) 1, (1, 0) 1, (1, 1) 1 + 1 = 2: all four fire in both channels.
    # The dense layer: 8 spikes to 2 outputs are 16 synaptic operations of 16 products.
    xs = jnp.asarray(PICTURE).reshape(1, 1, 4, 4, 1)
    found = count(small, xs, event_inputs=True)
    conv, dense = found.products
    assert (conv.products, conv.sops, conv.active, conv.events, conv.nonzero, conv.macs) == (50, 14, 12, 4, 3, 0)
    assert (dense.products, dense.sops, dense.active, dense.events, dense.nonzero, dense.macs) == (16, 16, 16, 8, 8, 0)
    assert (found.sops, found.macs, found.samples) == (30, 0, 1)
    assert conv.rate == 4 / 16 and dense.rate == 1 and found.rate == 12 / 24
    # The network itself compares 8 numbers with the threshold, and that is all that it does besides.
    assert (found.elementwise.additions, found.elementwise.total, found.neurons.total) == (8, 8, 0)
    assert energy(found).operations == pytest.approx(30 * 0.9)
    # Memory: all of it is smaller than 8 kB, 10 pJ for 8 bytes, so 5 pJ for a number. A synapse used: a weight and a sum read, a
    # sum written; a spike: its address written and read. 3 x (12 + 16) + 2 x (3 + 8) = 106 numbers.
    assert energy(found).spikes_memory == pytest.approx(106 * 5)
    assert energy(found).total == pytest.approx(30 * 0.9 + 8 * 0.9 + 106 * 5)


def test_the_input_is_real_numbers_unless_it_is_said_to_be_events() -> None:
    found = count(small, jnp.asarray(PICTURE).reshape(1, 1, 4, 4, 1))
    # 50 products of the convolution, 16 synaptic operations of the dense layer.
    assert (found.macs, found.sops) == (50, 16)
    spent = energy(found)
    assert spent.operations == pytest.approx(50 * 4.6 + 16 * 0.9)
    # Real numbers: a weight and an input read for each product, 8 outputs written; spikes: 3 x 16 + 2 x 8, as above.
    assert spent.macs_memory == pytest.approx((50 + 50 + 8) * 5) and spent.spikes_memory == pytest.approx((48 + 16) * 5)
    assert energy(found, INT8).operations == pytest.approx(50 * 0.3 + 16 * 0.1)


def test_break_even_by_hand() -> None:
    # Rates doubled are energy doubled in what grows: 66.6 pJ of operations against 30 x 0.9 = 27 at a mean rate of 0.5.
    found = count(small, jnp.asarray(PICTURE).reshape(1, 1, 4, 4, 1), event_inputs=True)
    dense = energy(count(lambda xs: xs.reshape(1, 16) @ jnp.ones((16, 2)), jnp.full((1, 1, 4, 4), 0.5)))
    assert dense.operations == pytest.approx(32 * 4.6)
    rates = {account: rate or 0 for account, rate in break_even(found, energy(found), dense).items()}
    assert rates["operations"] == pytest.approx(0.5 * 32 * 4.6 / 27)
    # Memory of the other: 32 weights, 16 inputs, 2 outputs.
    assert rates["total"] == pytest.approx(0.5 * (32 * 4.6 + 50 * 5 - 8 * 0.9) / (27 + 106 * 5))
    again = dataclasses.replace(energy(found), synapses=27 * rates["operations"] / 0.5)
    assert again.operations == pytest.approx(dense.operations)


# --- each product looked at ------------------------------------------------------------------------------------------------------


def looked_at(x, kernel, stride, padding, spread, dilation, groups):
    """SOPs, products with a spike, and products, by a loop over outputs, taps and channels: x [N, ..., C], kernel [..., C/g, O]."""
    sizes, taps = x.shape[1:-1], kernel.shape[:-2]
    per_in, per_out = kernel.shape[-2], kernel.shape[-1] // groups
    reach = [(n - 1) * s + 1 for n, s in zip(sizes, spread, strict=True)]
    outs = [
        max(0, (r + low + high - (k - 1) * d - 1) // step + 1)
        for r, (low, high), k, d, step in zip(reach, padding, taps, dilation, stride, strict=True)
    ]
    sops = active = products = 0
    for out in itertools.product(*map(range, outs)):
        for tap in itertools.product(*map(range, taps)):
            at = [o * step + k * d - low for o, step, k, d, (low, _) in zip(out, stride, tap, dilation, padding, strict=True)]
            if any(not 0 <= a < r or a % s for a, r, s in zip(at, reach, spread, strict=True)):
                continue
            pixel = tuple(a // s for a, s in zip(at, spread, strict=True))
            for n, group, i in itertools.product(range(len(x)), range(groups), range(per_in)):
                value = abs(int(x[(n, *pixel, group * per_in + i)]))
                for _ in range(per_out):
                    sops, active, products = sops + value, active + (value > 0), products + 1
    return sops, active, products


@st.composite
def convolutions(draw):
    axes = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.integers(1, 2))
    taps, dilation, spread = each(1, 3), each(1, 2), each(1, 2)
    sizes = each(3, 5 if axes < 3 else 4)
    padding = tuple((draw(st.integers(-1, 2)), draw(st.integers(0, 2))) for _ in range(axes))
    shape = (draw(st.integers(1, 2)), *sizes, groups * draw(st.integers(1, 2)))
    kernel = (*taps, shape[-1] // groups, groups * draw(st.integers(1, 2)))
    return shape, kernel, each(1, 3), padding, spread, dilation, groups, draw(st.integers(0, 99))


@settings(max_examples=12)
@given(convolutions())
def test_convolutions_are_counted_product_by_product(case) -> None:
    shape, taps, stride, padding, spread, dilation, groups, seed = case
    x, kernel = spikes(*shape, most=4, seed=seed), jnp.ones(taps)
    letters = "DHW"[-(len(shape) - 2) :]
    how = {"window_strides": stride, "padding": padding, "lhs_dilation": spread, "rhs_dilation": dilation}
    layout = (f"N{letters}C", f"{letters}IO", f"N{letters}C")

    def conv(x):
        return jax.lax.conv_general_dilated(x, kernel, **how, feature_group_count=groups, dimension_numbers=layout)

    wanted = looked_at(x, kernel, stride, padding, spread, dilation, groups)
    (found,) = count(conv, x, event_inputs=True, samples_axis=0).products
    assert (found.sops, found.active, found.products) == wanted
    (real,) = count(conv, x + 0.5, samples_axis=0).products
    assert (real.macs, real.sops) == (wanted[2], 0)
    # The same once more: the convolution of |x| with a kernel of ones, summed.
    assert float(conv(jnp.abs(x)).sum()) == wanted[0]


@settings(max_examples=10)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_matrix_products_are_counted_product_by_product(batch, rows, inner, free, weight_first, seed) -> None:
    x, w = spikes(batch, rows, inner, most=4, seed=seed), np.ones((batch, inner, free), np.float32)

    def product(x):
        return jnp.einsum("bif,bri->bfr", w, x) if weight_first else jnp.einsum("bri,bif->brf", x, w)

    (found,) = count(product, x, event_inputs=True, samples_axis=0).products
    sops = sum(abs(int(x[b, r, i])) for b in range(batch) for r in range(rows) for i in range(inner) for _ in range(free))
    assert (found.sops, found.active, found.products) == (sops, int((x != 0).sum()) * free, batch * rows * inner * free)


def test_a_convolution_with_groups_of_the_batch() -> None:
    x, w = spikes(4, 5, 2), jnp.ones((3, 2, 6))

    def conv(x):
        return jax.lax.conv_general_dilated(x, w, (1,), "SAME", batch_group_count=2, dimension_numbers=("NWC", "WIO", "NWC"))

    (found,) = count(conv, x, event_inputs=True, samples_axis=0).products
    assert found.sops == float(conv(x).sum()) and found.products == float(conv(np.ones_like(x)).sum())


def test_the_kernel_may_be_what_depends_on_the_data() -> None:
    x, w = jnp.ones((2, 6, 3)), jnp.asarray(spikes(3, 3, 4, most=3))

    def conv(w):
        return jax.lax.conv_general_dilated(x, w, (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))

    (found,) = count(conv, w, event_inputs=True, samples_axis=0).products
    assert found.sops == float(conv(w).sum()) and found.weight == x.size


# --- what is a spike, what is a weight --------------------------------------------------------------------------------------------


def test_whole_numbers_of_residual_sums_are_counted_as_what_they_are() -> None:
    """SEW's ADD: out + x of two layers of spikes is 0, 1 or 2, and 2 is two additions."""
    weight = np.ones((4, 3), np.float32)

    def block(xs):
        out = (xs @ np.eye(4, dtype=np.float32) > 0).astype(jnp.float32)
        return (out + out * (xs[..., :1] > 0)) @ weight

    xs = spikes(3, 2, 4)
    out = (xs > 0).astype(np.int64)
    added = out + out * (xs[..., :1] > 0)
    assert 2 in added and 1 in added
    product = count(block, xs).products[1]
    assert (product.sops, product.active) == (int(added.sum()) * 3, int((added > 0).sum()) * 3)
    assert product.rate == added.sum() / added.size


def test_negative_spikes_are_counted_by_their_size() -> None:
    xs = np.array([[[-1.0, 2.0, 0.0, -3.0]]], np.float32)
    (product,) = count(lambda xs: xs @ jnp.ones((4, 2)), xs, event_inputs=True).products
    assert (product.sops, product.active) == (12, 6)


@pytest.mark.parametrize("odd", [0.5, np.nan, np.inf])
def test_one_number_that_is_not_whole_makes_real_numbers(odd) -> None:
    xs = np.ones((2, 3, 4), np.float32)
    xs[1, 2, 3] = odd
    found = count(lambda xs: xs @ jnp.ones((4, 2)), xs, event_inputs=True)
    assert (found.macs, found.sops, found.rate) == (48, 0, None)


def test_operands_are_told_apart_by_what_depends_on_the_data() -> None:
    """Neither their place nor their names: weights first, weights made of weights, and two operands of data."""
    w = jnp.full((3, 3), 0.5)
    xs = spikes(2, 1, 3)
    assert not count(lambda xs: (w @ w) + 0 * xs.sum(), xs).products  # made once, before there are data
    (first,) = count(lambda xs: jnp.einsum("ij,tbj->tbi", w @ w, xs), xs, event_inputs=True).products
    assert first.spikes and first.sops == int(xs.sum()) * 3


def test_neurons_make_spikes_of_an_input_of_real_numbers() -> None:
    """What has been through neurons is no input any more; what a loop is fed with, step by step, is."""
    layer, w, xs = nn.Spiking(IF()), jnp.ones((3, 2)), 2 * spikes(4, 2, 3)
    (product,) = count(lambda xs: layer(jnp.asarray(xs))[1] @ w, xs).products
    assert product.spikes and product.sops == 2 * int((xs > 0).sum()) > 0

    def fed(xs):
        return jax.lax.scan(lambda carry, x: (carry + x @ w, carry), jnp.zeros((2, 2)), xs)

    (product,) = count(fed, xs).products
    assert product.macs == 4 * 2 * 3 * 2
    (product,) = count(fed, xs, event_inputs=True).products
    assert product.sops == 2 * int(xs.sum())


def test_attention_counts_the_operand_of_fewer_spikes() -> None:
    a, b = spikes(4, 1, 3, seed=1), spikes(5, 1, 3, seed=2, most=3)
    (both,) = count(lambda p: jnp.einsum("tbc,sbc->bts", *p), (a, b), event_inputs=True).products
    assert both.sops == min(int(a.sum()) * 5, int(b.sum()) * 4)
    (one,) = count(lambda p: jnp.einsum("tbc,sbc->bts", p[0] + 0.5, p[1]), (a, b), event_inputs=True).products
    assert one.sops == int(b.sum()) * 4


def test_a_mean_of_spikes_is_a_real_number() -> None:
    head = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    found = count(lambda xs: head((xs > 0).astype(jnp.float32).mean(0)), spikes(3, 4, 2))
    assert (found.macs, found.sops) == (4 * 2 * 3, 0)


def test_operations_are_of_three_kinds_and_those_that_do_nothing_are_left_out() -> None:
    def model(x):
        idle = (1.0 * ((x + 0.0) - 0.0)) / 1.0
        return jnp.exp(2.0 * idle) + (1.0 - x) + jnp.max(x, 1, keepdims=True) + x**3

    # Of 6 numbers: twice them, their cube by two multiplications; exp; 1 - x, the largest of them, and three sums.
    found = count(model, np.arange(6, dtype=np.float32).reshape(2, 3), samples_axis=0).elementwise
    assert (found.multiplications, found.functions, found.additions) == (3 * 6, 6, 5 * 6)


# --- layers of the package --------------------------------------------------------------------------------------------------------


def stack(backend="auto") -> nn.Stack:
    rngs = nnx.Rngs(0)
    return nn.Stack(
        nnx.Conv(2, 4, (3, 3), strides=2, rngs=rngs),
        nn.Spiking(LIF(threshold=0.2), learn=("tau",), backend=backend),
        nn.max_pool,
        nn.Flatten(),
        nnx.Linear(16, 5, rngs=rngs),
        nn.Spiking(LIF(threshold=0.2), backend=backend),
        nnx.Linear(5, 3, rngs=rngs),
        nn.Readout(),
    )


def test_a_stack_is_counted_as_its_layers_give_their_spikes() -> None:
    model, xs = stack(), spikes(6, 2, 8, 8, 2, most=3)
    outs = [np.asarray(out) for out in model.outputs(jnp.asarray(xs))[1]]
    found = count(model, xs)
    conv, first, second = found.products
    assert outs[1].sum() > 0 and outs[5].sum() > 0
    # 3x3, stride 2, SAME on 8 pixels pads none in front and one behind: 4 outputs of 3 taps less the one on the border, 11 an axis.
    assert conv.macs == 11 * 11 * 2 * 4 * 12
    assert (first.sops, second.sops) == (int(outs[3].sum()) * 5, int(outs[5].sum()) * 3)
    assert first.rate == pytest.approx(outs[3].mean()) and found.sops == first.sops + second.sops
    # Membranes: 4x4x4 + 5 of LIF and 3 of the readout, for 2 samples and 6 steps each read, and as often written.
    assert [s.numbers for s in found.states] == [2 * 64, 2 * 5, 2 * 3]
    assert [s.accesses for s in found.states] == [6 * 2 * 64, 6 * 2 * 5, 6 * 2 * 3]
    assert found.neurons.total >= 4 * 6 * 2 * 69  # at least decay, sum, comparison, reset
    # pJ: 5 for a number read or written.
    assert energy(found).states_memory == pytest.approx(2 * 6 * 72 * 5)


def test_however_a_program_is_written_its_counts_stay() -> None:
    xs = spikes(6, 2, 8, 8, 2, most=3)
    model, kept = stack(), stack("remat")
    found = count(model, xs)

    def unrolled(xs):
        state, out = None, []
        for x in xs:
            state, y = model(x[None], state)
            out.append(y)
        return out

    same = {
        "jit": count(jax.jit(model), xs),
        "remat": count(kept, xs),
        "checkpoint": count(jax.checkpoint(lambda xs: model(xs)), xs),
        "whole numbers of another type": count(model, xs.astype(np.int32)),
    }
    for name, other in same.items():
        assert (other.sops, other.macs, other.rate) == (found.sops, found.macs, found.rate), name
        assert other.neurons == found.neurons, name
        assert sum(s.accesses for s in other.states) == sum(s.accesses for s in found.states), name
    by_hand = count(unrolled, xs)
    assert (by_hand.sops, by_hand.macs) == (found.sops, found.macs) and len(by_hand.products) == 6 * 3


def test_an_unrolled_scan_is_a_scan() -> None:
    w = np.ones((3, 3), np.float32)

    def network(xs, unroll):
        def step(carry, x):
            h = carry + x @ w
            return 0.5 * h, (h > 1).astype(jnp.float32) @ w

        return jax.lax.scan(step, jnp.zeros(xs.shape[1:]), xs, unroll=unroll)[1]

    xs = spikes(6, 2, 3)
    one, three = (count(lambda xs, n=n: network(xs, n), xs, event_inputs=True) for n in (1, 3))
    assert one == three and one.sops > 0 and one.neurons.additions == 6 * 2 * 3 * 2 and one.neurons.multiplications == 6 * 2 * 3


def test_recurrent_spikes_are_counted_within_the_loop() -> None:
    layer, xs = nn.Recurrent(IF(), 5, rngs=nnx.Rngs(0)), jnp.asarray(2 * spikes(7, 3, 5))
    out = np.asarray(layer(xs)[1])
    (product,) = count(layer, xs).products
    # At each step the spikes of the step before: none at the first, and nobody hears the last.
    assert product.products == 7 * 3 * 25 and product.sops == int(out[:-1].sum()) * 5 > 0
    assert product.rate == out[:-1].sum() / out.size


def test_a_gru_is_products_of_real_numbers() -> None:
    model, xs = nnx.RNN(nnx.GRUCell(4, 6, rngs=nnx.Rngs(0)), time_major=True), RNG.normal(size=(5, 2, 4)).astype(np.float32)
    found = count(model, xs)
    assert found.sops == 0 and found.macs == 5 * 2 * (4 * 18 + 6 * 18)
    assert [(s.numbers, s.accesses) for s in found.states] == [(12, 60)]
    assert found.neurons.functions >= 5 * 2 * 18  # two logistic functions and a hyperbolic tangent for each of 6 numbers


def test_a_network_in_three_dimensions() -> None:
    model = nnx.Conv(1, 2, (3, 3, 3), rngs=nnx.Rngs(0))
    # SAME with 3 taps: 3 n - 2 pairs on an axis of n pixels.
    found = count(model, RNG.normal(size=(2, 4, 5, 6, 1)).astype(np.float32), samples_axis=0)
    assert found.macs == 2 * 2 * 10 * 13 * 16 and found.samples == 2


def test_a_convolution_with_a_gru_behind_it() -> None:
    conv, gru = nnx.Conv(1, 2, (3, 3), rngs=nnx.Rngs(0)), nnx.GRUCell(8, 3, rngs=nnx.Rngs(0))

    def model(xs):
        def step(h, x):
            return gru(h, jax.nn.relu(conv(x)).reshape(2, 8))

        return jax.lax.scan(step, jnp.zeros((2, 3)), xs)[0]

    found = count(model, RNG.normal(size=(4, 2, 2, 2, 1)).astype(np.float32))
    assert found.macs == 4 * 2 * (16 * 2 + 8 * 9 + 3 * 9)
    assert all(a == b * 4 for a, b in zip(prod_of(found), (2 * 32, 2 * 72, 2 * 27), strict=True))


def prod_of(found) -> list[int]:
    return [product.products for product in found.products]


def test_the_spiking_cnn_counts_its_readout_of_rates_as_real_numbers() -> None:
    model = SpikingCNN((8, 8, 2), 5, (4, 8), neuron=LIF(threshold=0.1), rngs=nnx.Rngs(0))
    model.eval()
    found = count(model, spikes(3, 2, 8, 8, 2, most=3))
    assert [p.spikes for p in found.products] == [False, True, False] and found.sops > 0
    assert found.products[-1].macs == 2 * 8 * 2 * 2 * 5


def test_a_psn_multiplies_real_numbers_over_time() -> None:
    layer = nn.PSN(4, rngs=nnx.Rngs(0))
    found = count(layer, RNG.normal(size=(4, 2, 3)).astype(np.float32))
    assert (found.macs, found.sops) == (4 * 4 * 2 * 3, 0)


# --- control flow -----------------------------------------------------------------------------------------------------------------

W = np.ones((3, 2), np.float32)


def test_a_branch_that_does_not_run_counts_nothing() -> None:
    def wide(xs):
        return xs @ W @ np.ones((2, 5), np.float32) @ np.ones((5, 2), np.float32)

    def model(xs):
        return jax.lax.cond(xs.sum() > 3, lambda xs: xs @ W, wide, xs)

    few, many = (np.full((1, 1, 3), n, np.float32) for n in (1, 2))
    assert [p.sops for p in count(model, many, event_inputs=True).products] == [12]
    assert [p.sops for p in count(model, few, event_inputs=True).products] == [6, 2 * 3 * 5, 5 * 6 * 2]


def test_a_while_loop_counts_as_often_as_it_turns() -> None:
    square = np.ones((3, 3), np.float32)

    def model(xs):
        def turn(loop):
            i, x = loop
            return i + 1, jnp.minimum(x @ square, 1)

        return jax.lax.while_loop(lambda loop: loop[0] < 2 + xs.sum(), turn, (0.0, xs))

    xs = np.array([[[1.0, 0, 0]]], np.float32)
    (product,) = count(model, xs, event_inputs=True).products
    # Three turns: one spike to 3, then three to 3 each.
    assert (product.products, product.sops) == (27, 3 + 9 + 9)
    (state,) = count(model, xs).states
    assert state.accesses == 3 * 3  # the number of turns depends on no data


def test_what_cannot_be_looked_into_is_refused() -> None:
    def model(xs):
        return jax.lax.while_loop(lambda x: (x @ W).sum() < 9, lambda x: x + 1, xs)

    with pytest.raises(ValueError, match="decides how long a while_loop runs"):
        count(model, spikes(1, 1, 3))

    def solved(xs):
        return jax.lax.custom_linear_solve(lambda x: x @ np.eye(3, dtype=np.float32), xs, lambda f, y: y, symmetric=True)

    with pytest.raises(ValueError, match="within custom_linear_solve cannot be counted"):
        count(solved, spikes(1, 1, 3))


def test_more_spikes_than_can_be_counted_are_refused() -> None:
    with pytest.raises(OverflowError, match="count fewer samples"):
        count(lambda xs: xs @ jnp.ones((2, 2)), np.full((4, 1, 2), 2.0**30, np.float32), event_inputs=True)


def test_inputs_without_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples on axis 1"):
        count(lambda x: x, np.zeros(3))


# --- batches and tables -----------------------------------------------------------------------------------------------------------


def test_batches_change_no_total() -> None:
    model, xs = stack(), spikes(6, 4, 8, 8, 2, most=3)
    whole = count(model, xs, event_inputs=True)
    parts = count(model, xs[:, :1], event_inputs=True) + count(model, xs[:, 1:], event_inputs=True)
    assert (parts.sops, parts.macs, parts.rate, parts.samples) == (whole.sops, whole.macs, whole.rate, 4)
    assert parts.neurons == whole.neurons and parts.states == whole.states
    assert energy(parts).to_dict() == pytest.approx(energy(whole).to_dict())
    twice = count(model, np.concatenate([xs, xs], 1), event_inputs=True)
    assert energy(twice).to_dict() == pytest.approx(energy(whole).to_dict())


def test_counts_of_two_networks_do_not_add() -> None:
    xs = spikes(1, 1, 3)
    with pytest.raises(ValueError, match="different networks"):
        _ = count(lambda xs: xs @ W, xs) + count(lambda xs: xs @ W[:, :1], xs)


def test_a_sum_with_a_batch_of_real_numbers_is_of_real_numbers() -> None:
    xs = spikes(1, 1, 3)
    both = count(lambda xs: xs @ W, xs, event_inputs=True) + count(lambda xs: xs @ W, xs + 0.5, event_inputs=True)
    assert (both.sops, both.macs) == (0, 12)


@given(st.floats(1, 1e8))
def test_larger_memories_cost_more(size) -> None:
    assert FLOAT32.access(size) <= FLOAT32.access(1.5 * size)


def test_memories_cost_what_was_published() -> None:
    assert [8 * FLOAT32.access(n) for n in (1, 8 * 1024, 32 * 1024, 2**20, 2**20 + 1)] == [10, 10, 20, 100, 1300]
    assert 8 * FLOAT32.access(20 * 1024) == pytest.approx(15)


def test_figures_can_be_replaced() -> None:
    found = count(small, jnp.asarray(PICTURE).reshape(1, 1, 4, 4, 1))
    assert energy(found, dataclasses.replace(FLOAT32, accumulate=0, mac=1)).operations == 50
    free = Figures(memories=((1, 0.0),), beyond=0.0, addition=0.0)
    assert energy(found, free).total == energy(found).operations


def test_a_table_sets_networks_beside_each_other() -> None:
    xs = spikes(6, 2, 8, 8, 2, most=3)
    frame = nnx.Conv(2, 4, (3, 3), rngs=nnx.Rngs(1))
    table = energy_table([("spiking", stack(), xs), ("frames", lambda xs: frame(xs.mean(0)), xs)])
    assert [(row.name, row.figures.name) for row in table.rows] == [
        (name, kind) for name in ("spiking", "frames") for kind in ("float32", "int8")
    ]
    assert [(a.name, a.figures.name, b.figures.name) for a, b in table.pairs] == [
        ("spiking", "float32", "float32"),
        ("spiking", "float32", "int8"),
        ("spiking", "int8", "int8"),
    ]
    lines = str(table).splitlines()
    head, *_ = (line.strip("| ").split(" | ") for line in lines)
    assert head == ["network", "numbers", "SOPs", "MACs", "SOP energy, nJ", "with memory, nJ", "firing rate, %"]
    assert all(line.count("|") == 8 for line in lines[:6]) and all(line.count("|") == 6 for line in lines[7:])
    plain = json.loads(json.dumps(table.to_dict()))
    assert plain["rows"][0]["counts"]["sops"] == table.rows[0].counts.sops and len(plain["break_even"]) == 3
    assert plain["rows"][0]["energy_pj"]["total"] == table.rows[0].energy.total
    # At the rate of break-even what grows has grown by it, and both take the same.
    for (a, b), pair in zip(table.pairs, plain["break_even"], strict=True):
        grown = (a.energy.synapses + a.energy.spikes_memory) * (pair["break_even_total"] / pair["rate"] - 1)
        assert a.energy.total + grown == pytest.approx(b.energy.total)


def test_a_silent_network_has_no_rate_to_break_even_at() -> None:
    model, xs = stack(), np.zeros((3, 1, 8, 8, 2), np.float32)
    silent = count(model, xs, event_inputs=True)
    assert silent.rate == 0 and break_even(silent, energy(silent), energy(silent)) == {"operations": None, "total": None}
    assert prod(silent.products[0].shapes[1]) == silent.products[0].weight


def test_the_code_of_the_document_runs(capsys) -> None:
    (table, text), (layers, _) = _blocks("energy.md")
    names: dict = {}
    exec(table, names)
    assert without_numbers(capsys.readouterr().out) == without_numbers(text)
    exec(layers, names)
    assert capsys.readouterr().out.startswith("conv 1 (5, 5, 2, 8) ")
    assert names["found"].sops > 0


def _blocks(document: str) -> list[tuple[str, str]]:
    """Blocks of Python of a document, each with the text that it prints, if any is shown."""
    text = (Path(__file__).parents[1] / "docs" / document).read_text("utf-8")
    return re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.DOTALL)


# --- what comes in ----------------------------------------------------------------------------------------------------------------


def test_bytes_a_second_of_each_camera() -> None:
    events = Events.make([0, 10, 499_999], [1, 2, 3], [0, 1, 2], [0, 1, 1], (4, 3))
    grey = Frames.make(np.zeros((3, 6, 8), np.uint16), [0, 10_000, 20_000])
    found = latency.streams(Recording(events, frames={"grey": grey}), (8, 6, 25.0))
    assert found["events, 64 bits each"] == 3 * 8 / 0.5
    assert found["frames 'grey' of the recording"] == 6 * 8 * 2 * 100
    assert found["RGB 8x6 at 25 fps"] == 8 * 6 * 3 * 25
    assert 6 / 0.5 < found["events, EVT3"] < 1000 / 0.5  # a few words of 16 bits, and a header


def test_a_window_is_timed_alone_and_with_others() -> None:
    model = SpikingCNN((12, 16, 2), 3, (4,), neuron=LIF(), rngs=nnx.Rngs(0))
    model.eval()
    found = latency.measure(model, latency.noise((16, 12), 1e4, 0.1), window=20_000, bins=3, batch=4, repeats=5)
    assert found["windows"] in (4, 5) and found["windows_per_second"] > 0 and set(found["compile_s"]) == {"1", "4"}
    for name in ("events_to_logits", "network"):
        assert 0 < found[name]["median_ms"] <= found[name]["p95_ms"]
