"""Models: what they make of the neurons that they are given, and how neurons are described in words."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from mxsnn.errors import UserError
from mxsnn.models.described import described
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import NEURONS


@pytest.mark.parametrize("name", ["LIF", "Lapicque", "AdLIF", "SEAdLIF", "AdEx", "Izhikevich"])
def test_a_network_of_any_neuron_fires_and_learns(name):
    """Whatever the units of its input, a neuron is reached by the batch norm before it, and passes gradients on."""
    model = SpikingCNN((16, 16, 2), 4, [8, 8], neuron=NEURONS[name](), rngs=nnx.Rngs(0))
    xs = jax.random.poisson(jax.random.key(0), 0.5, (30, 4, 16, 16, 2)).astype(jnp.float32)

    @nnx.jit
    @nnx.grad(has_aux=True)
    def gradients(model):
        _, logits, spikes = model.trace(xs)
        return (logits * jnp.arange(4.0)).sum(), [layer.mean() for layer in spikes.values()]

    slopes, rates = gradients(model)
    assert all(0 < rate < 0.9 for rate in rates), rates
    kernels = [leaf for path, leaf in nnx.to_flat_state(slopes) if path[-1] == "kernel"]
    assert len(kernels) == 3 and all(float(jnp.abs(kernel[...]).sum()) > 0 for kernel in kernels)


@pytest.mark.parametrize(
    "text",
    [
        "LIF.from_beta(0.9, reset=detached(to_value(-0.1)))",
        "PLIF.from_tau(20)",
        "Izhikevich.chattering(dt=0.5)",
        "IntegerLIF(count=levels(8))",
        "KLIF(undo=undone_scale)",
        "RF(part=imaginary)",
        "Refractory(LIF(), 3.0, integrating)",
        "LIF(fire=norse.super())",
    ],
)
def test_a_description_reaches_what_a_neuron_is_given(text):
    neuron = described(text)
    assert type(neuron).__name__ == text.split("(")[0].split(".")[0]
    assert neuron == described(text) != type(neuron)()
    assert pickle.loads(pickle.dumps(neuron)) == neuron


def test_no_other_attribute_of_a_class_is_a_word():
    for text in ("LIF.step(1)", "LIF.__init__()", "LIF.from_gamma(0.9)"):
        with pytest.raises(UserError, match="unknown"):
            described(text)
