"""The conformance checks: every neuron passes all of them, and each planted fault is found by the check meant for it alone."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import testing
from mxsnn.discrete import current, euler
from mxsnn.engine import BACKENDS
from mxsnn.engine.scan import scan
from mxsnn.neurons import ALIF, IF, LIF, NEURONS, PLIF, Outputs, parameters, positive
from mxsnn.neurons import static as given_function
from mxsnn.reset import detached, subtract, to_value
from mxsnn.surrogate import atan, fast_sigmoid, inclusive, sigmoid
from mxsnn.typing import Fire

PER_NEURON = jnp.array([2.0, 5.0, 10.0, 40.0])
VARIANTS = {name: cls() for name, cls in NEURONS.items()} | {
    "LIF, steep, per neuron": LIF(PER_NEURON, threshold=PER_NEURON / 10, reset=detached(subtract), fire=fast_sigmoid()),
    "LIF, currents from another rest": LIF(
        4.0, v_rest=-0.3, resistance=2.0, gain=current, decay=euler, reset=to_value(-0.5), dt=0.5
    ),
    "ALIF, literal": ALIF(tau_threshold=math.inf, reset=detached(subtract)),
    "PLIF, per neuron": PLIF(w=jnp.array([-3.0, -1.0, 0.0, 2.0]), v_rest=0.1, dt=0.5, reset=to_value(-0.2)),
    "IF, inclusive": IF(fire=inclusive(sigmoid()), reset=detached(to_value(0.0))),
}


@pytest.mark.parametrize("neuron", VARIANTS.values(), ids=VARIANTS)
def test_every_neuron_passes_every_check(neuron):
    testing.check(neuron)


def test_checks_are_all_that_the_module_has():
    assert set(testing.CHECKS) == {f for name, f in vars(testing).items() if name.startswith("check_")}


def test_usual_input_spans_silence_and_saturation():
    _, out = testing._run(LIF(), testing.inputs())
    rates = np.asarray(out).mean((0, 1))
    assert rates[0] < 0.4 and rates[-1] > 0.9


# ---- planted faults -----------------------------------------------------------------------------------------------------------


class State(NamedTuple):
    v: jax.Array


@parameters
class Sound:
    """A leaky neuron without a fault, whose parts the planted ones replace."""

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: float = positive(5.0)
    threshold: float = positive(1.0)
    fire: Fire = given_function(default=atan())

    def init(self, shape, dtype=jnp.float32):
        return State(jnp.zeros(shape, dtype))

    def charge(self, v, x):
        return v * jnp.exp(-1 / jnp.asarray(self.tau)) + x

    def step(self, state, x):
        v = self.charge(state.v, x)
        s = self.fire(v - self.threshold)
        return State(v - s * self.threshold), s


@parameters
class MixesTheBatch(Sound):
    def charge(self, v, x):
        return super().charge(v, x - 0.1 * x.mean(0))


@parameters
class MixesTheNeurons(Sound):
    def charge(self, v, x):
        return super().charge(v, x + 0.1 * jnp.roll(v, 1, -1))


REMEMBERED = []


@parameters
class HasHiddenMemory(Sound):
    def charge(self, v, x):
        if not isinstance(x, jax.core.Tracer):
            REMEMBERED.append(1)
            x = x + 0.1 * (len(REMEMBERED) % 7)
        return super().charge(v, x)


@parameters
class DriftsInDtype(Sound):
    def step(self, state, x):
        after, s = super().step(state, x)
        return State(after.v.astype(x.dtype)), s


@parameters
class ChangesItsState(Sound):
    def step(self, state, x) -> Any:
        after, s = super().step(State(state[0]), x)
        return (after.v,), s


@parameters
class DetachesAParameter(Sound):
    def charge(self, v, x):
        return v * jnp.exp(-1 / jax.lax.stop_gradient(jnp.asarray(self.tau, jnp.float32))) + x


@parameters
class DetachesTheInput(Sound):
    def charge(self, v, x):
        return super().charge(v, jax.lax.stop_gradient(x))


@parameters
class HasInfiniteGradients(Sound):
    def charge(self, v, x):
        return super().charge(v, jnp.sqrt(jnp.abs(x)))


@parameters
class Overflows(Sound):
    def charge(self, v, x):
        return super().charge(v, x + 1e-3 * (jnp.exp(x) - jnp.exp(x)))


@parameters
class IsWrittenForTwoAxes(Sound):
    def charge(self, v, x):
        return super().charge(v, x) + jnp.zeros((3, 4))


@parameters
class FiresTwice(Sound):
    def step(self, state, x):
        after, s = super().step(state, x)
        return after, 2 * s


@parameters
class HasANumberInItsProgram(Sound):
    gain: float = given_function(default=1.0)


@parameters
class HasAFunctionPerInstance(Sound):
    squash: Any = given_function(default_factory=lambda: lambda v: 2 * jnp.tanh(v / 2))

    def charge(self, v, x):
        return self.squash(super().charge(v, x))


@parameters
class SharesItsParameters(Sound):
    def charge(self, v, x):
        return v * jnp.exp(-1 / jnp.sum(jnp.asarray(self.tau))) + x


@jax.custom_batching.custom_vmap
def identity(value):
    return value


@identity.def_vmap
def _(size, batched, value):
    return jnp.broadcast_to(value[:1], value.shape), True


@jax.custom_jvp
def first_of_the_batch(value):
    return identity(value)


first_of_the_batch.defjvp(lambda primals, tangents: (first_of_the_batch(*primals), *tangents))


@parameters
class IsBatchedWrongly(Sound):
    def charge(self, v, x):
        return v * jnp.exp(-1 / first_of_the_batch(jnp.asarray(self.tau))) + x


@parameters
class NeverFires(Sound):
    threshold: float = positive(1000.0)


@parameters
class FiresFromMore(NeverFires):
    drive: ClassVar[float] = 1000.0


@pytest.mark.parametrize("neuron", [Sound(), FiresFromMore()], ids=lambda n: type(n).__name__)
def test_the_neuron_without_a_fault_passes(neuron):
    testing.check(neuron)


# The fault, the check that is meant for it with what it says, and others that cannot but see it too.
FAULTS = [
    (MixesTheBatch, "check_elementwise", "depends on its neighbours", set()),
    (MixesTheNeurons, "check_elementwise", "depends on its neighbours", set()),
    (HasHiddenMemory, "check_causal", "step is not pure|depends on the future", set()),
    (DriftsInDtype, "check_state", "under inputs in bfloat16 a state in float32.* becomes bfloat16", set()),
    (DetachesAParameter, "check_gradients", r"\.tau.* changes the result, but no gradient reaches it", set()),
    (DetachesTheInput, "check_gradients", "no gradient reaches the input", set()),
    (HasInfiniteGradients, "check_gradients", "not finite at 0.0 times", set()),
    (Overflows, "check_outputs", "state is not finite at 30.0 times", {"check_gradients"}),
    (IsWrittenForTwoAxes, "check_shapes", r"inputs \[13, 3\] cannot be run: Incompatible shapes", set()),
    (FiresTwice, "check_outputs", r"BINARY.*got \[0\. 2\.\]", set()),
    (NeverFires, "check_outputs", r"about 1\.16, fires it in 0% of the steps: .* as the class attribute `drive`", set()),
    (HasANumberInItsProgram, "check_one_trace", "gain is a number but static", set()),
    (HasAFunctionPerInstance, "check_one_trace", "2 traces for two neurons made alike", set()),
    (SharesItsParameters, "check_per_neuron", "Not equal to tolerance", set()),
    (IsBatchedWrongly, "check_vmap", "Not equal to tolerance", set()),
]


@pytest.mark.parametrize(("fault", "name", "message", "others"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_a_planted_fault_is_found_by_its_check_alone(fault, name, message, others):
    failed = {}
    for check in testing.CHECKS:
        if check not in (testing.check_backends, testing.check_streaming):  # they take longest, and have faults of their own below
            try:
                check(fault())
            except AssertionError as error:
                failed[check.__name__] = str(error)
    assert set(failed) == {name} | others
    assert re.search(message, failed[name])


def test_check_names_the_neuron_and_the_check_that_failed():
    with pytest.raises(AssertionError, match="FiresTwice fails check_outputs: declared"):
        testing.check(FiresTwice())


def test_a_changed_state_is_found():
    with pytest.raises(AssertionError, match="ChangesItsState fails check_state: a step turns State"):
        testing.check(ChangesItsState())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n, state, xs: scan(n, state, xs[::-1]),
        lambda n, state, xs: scan(n, jax.lax.stop_gradient(state), xs),
        lambda n, state, xs: scan(jax.lax.stop_gradient(n), state, xs),
    ],
    ids=["backwards", "detaches the state", "detaches the parameters"],
)
def test_a_wrong_backend_is_found(wrong, monkeypatch):
    monkeypatch.setitem(BACKENDS, "wrong", wrong)
    with pytest.raises(AssertionError):
        testing.check_backends(Sound())


def test_results_that_depend_on_the_cut_are_found(monkeypatch):
    def forgetful(n, xs, state=None, backend="auto"):
        return scan(n, n.init(xs.shape[1:]), xs)

    monkeypatch.setattr(testing, "_run", forgetful)
    with pytest.raises(AssertionError, match="cut at 1"):
        testing.check_streaming(Sound())


@pytest.mark.parametrize(
    ("outputs", "inside", "outside"),
    [
        (Outputs.BINARY, [0, 1], [0, -1]),
        (Outputs.TERNARY, [-1, 0, 1], [2]),
        (Outputs.INTEGER, [-3, 7], [0.5]),
        (Outputs.REAL, [0.1, -2e9], None),
    ],
)
def test_sets_of_outputs(outputs, inside, outside):
    assert jnp.asarray(inside) in outputs and jnp.zeros((2, 0)) in outputs
    assert outside is None or jnp.asarray(outside) not in outputs
    assert outputs is Outputs.REAL or jnp.asarray([0, math.nan]) not in outputs
