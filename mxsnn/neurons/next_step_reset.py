from __future__ import annotations

from typing import ClassVar

from mxsnn.neurons._base import neuron
from mxsnn.neurons._wrapper import Wrapper, acting
from mxsnn.typing import Array, State


@neuron
class NextStepReset(Wrapper):
    r"""A neuron in which a spike acts one step later: on the membrane of the next step, charged already, before it is tested.

    v = charge(v[t-1], x[t]);  v[t] = reset(v, s[t-1], threshold);  s[t] = fire(distance(state[t]))

    The state is that of `neuron` (its membrane `v` before the reset of its own step: what snnTorch returns). The last spikes are
    read from it, by the `distance` from firing that the neuron declares (v - threshold of most). A subtraction is so of the whole
    threshold, not of what a step's leak leaves of it; a reset to a value discards the input of the step after a spike.
    snnTorch: Leaky, RLeaky, Synaptic, RSynaptic and Lapicque that subtract are
    `NextStepReset(neuron(reset=detached(subtract)))`; those that reset to zero, and Alpha, `detached(to_value(0.0))` in here,
    but Leaky, which zeroes before it charges: `LIF(reset=detached(to_value(0.0)))` unwrapped. spyx's LIF is
    `Late(NextStepReset(LIF(reset=subtract)))`. Source: Eshraghian et al. (2023), Training spiking neural networks.
    """

    needs: ClassVar[tuple[str, ...]] = ("fire", "distance")

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        before = self._spikes(state)
        state, _ = acting(self.neuron, lambda u: before).step(state, x)
        return state, self._spikes(state)

    def _spikes(self, state: State) -> Array:
        return self.neuron.fire(self.neuron.distance(state))
