"""Runs a program of JAX's equation by equation, and says of each product of weights with data what went into it.

What is run is the jaxpr, not modules: it is the same for flax, for a plain function and for a residual sum in Python, it holds
the products inside of loops (recurrent layers, GRUs) and those that are no layer (attention, PSN), and which operand depends on
the data is a property of its variables. Wrapped modules would show neither. The walk can itself be traced: the program and what
counts it are compiled as one, and loops stay loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

PARAMETER, INPUT, PROCESSED = 0, 1, 2
"""How a value depends on the data: not at all; on the input alone; on what weights or neurons made of it."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOVED = words("""
    bitcast_convert_type broadcast_in_dim concatenate convert_element_type copy copy_p device_put dynamic_slice dynamic_update_slice
    empty expand_dims gather imag iota mesh_cast optimization_barrier pad real reduce_precision reshape reshard rev
    sharding_constraint slice split squeeze stop_gradient transpose
""")
"""Primitives that move numbers and do nothing to them."""

SUMMED = words("""
    abs add add_any and argmax argmin ceil clamp cummax cummin cumsum eq floor ge gt is_finite le lt max min ne neg not or
    reduce_and reduce_max reduce_min reduce_or reduce_sum reduce_window_max reduce_window_min reduce_window_sum round scatter
    scatter-add select_and_gather_add select_n sign sub xor
""")
"""Primitives that cost about as much as an addition."""

Path = tuple[int, ...]
Tally = dict[Path, dict[str, Any]]


class Value:
    """An array, how it depends on the data, and whether a loop carries it on. What a call hands on stays the same object."""

    def __init__(self, array: Any, level: int):
        self.array, self.level, self.carried = array, level, False


@dataclass(frozen=True)
class Side:
    """An operand of a product that depends on the data: how many products each of its numbers enters, by the axes that matter."""

    name: str  # "0" or "1"
    elements: int
    fanout: np.ndarray  # of the shape of `sums`, whole numbers
    input: bool


@dataclass(frozen=True)
class ProductSite:
    """Where a convolution or a matrix product stands; numbers are for one execution."""

    kind: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    products: int  # borders excluded
    outputs: int
    sides: tuple[Side, ...]
    weight: int  # numbers of the operand that holds still
    row: tuple[int, int]  # numbers of the input and of the output at a time


@dataclass(frozen=True)
class StateSite:
    """What a loop carries from one step to the next, numbers."""

    elements: int


@dataclass(frozen=True)
class WorkSite:
    """Elementwise operations of a stretch of program."""

    additions: int
    multiplications: int
    functions: int
    neurons: bool  # within a loop that carries a state


Site = ProductSite | StateSite | WorkSite


class Walk:
    """Runs jaxprs, and keeps the sites that it came by; `run` also returns what was counted there, a pytree of arrays."""

    def __init__(self):
        self.sites: dict[Path, Site] = {}

    def run(
        self, jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Value], path: Path, neurons: bool
    ) -> tuple[list[Value], Tally]:
        """Runs a jaxpr on values; `path` is where it stands."""
        env: dict[Any, Value] = {}
        env.update(zip(jaxpr.constvars, (c if isinstance(c, Value) else Value(c, PARAMETER) for c in consts), strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))
        tally: Tally = {}
        work = {"additions": 0, "multiplications": 0, "functions": 0}

        def read(var) -> Value:
            if isinstance(var, Literal):
                return Value(jnp.asarray(var.val, getattr(var.aval, "dtype", None)), PARAMETER)
            return env[var]

        for i, eqn in enumerate(jaxpr.eqns):
            values, name, at = [read(var) for var in eqn.invars], eqn.primitive.name, (*path, i)
            level = max((value.level for value in values), default=PARAMETER)
            if level and name in LOOPS:
                outs, inner = LOOPS[name](self, eqn, values, at, neurons)
                tally |= inner
            elif level and (body := called(eqn)) is not None:
                outs, inner = self.run(body.jaxpr, body.consts, values, at, neurons)
                tally |= inner
            elif level and any(inside(eqn)) and not name.startswith(("scatter", "reduce", "select")):
                raise ValueError(f"the operations within {name} cannot be counted; write that part of the model without it")
            else:
                arrays = apply(eqn, [value.array for value in values])
                if level and name in ("conv_general_dilated", "dot_general"):
                    self.sites[at] = site = (convolution if name[0] == "c" else dot)(eqn, [value.level for value in values])
                    tally[at] = counted(site, values)
                    level = PROCESSED
                elif level and name not in MOVED and not idle(eqn):
                    kind, number = cost(eqn)
                    work[kind] += number
                outs = [Value(array, level) for array in arrays]
            env.update(zip(eqn.outvars, outs, strict=True))
        if any(work.values()):
            at = (*path, len(jaxpr.eqns))
            self.sites[at], tally[at] = WorkSite(**work, neurons=neurons), {"times": jnp.int32(1)}
        return [read(var) for var in jaxpr.outvars], tally

    def state(self, carried: Sequence[Value], inner: Sequence[Value], at: Path, times: Any) -> Tally:
        """What a loop carries, `carried` before and `inner` within; what it hands to a loop inside of it is counted there."""
        own = [v for v, w in zip(carried, inner, strict=True) if v.level and not w.carried]
        elements = sum(v.array.size for v in own)
        if not elements:
            return {}
        self.sites[(*at, -1)] = StateSite(elements)
        return {(*at, -1): {"times": jnp.int32(times)}}


def counted(site: ProductSite, values: Sequence[Value]) -> dict[str, Any]:
    """Of each side: whether all numbers are whole; sums of their sizes and of those that are not 0; the largest."""
    found: dict[str, Any] = {"times": jnp.int32(1)}
    for side in site.sides:
        x = jnp.abs(values[int(side.name)].array)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        axes = tuple(i for i, n in enumerate(side.fanout.shape) if n == 1 and x.shape[i] != 1)
        whole = jnp.where(jnp.isfinite(x), x, 0)
        found[side.name] = {
            "whole": (jnp.isfinite(x) & (x == jnp.round(x))).all(),
            "sums": whole.astype(jnp.int32).sum(axes, dtype=jnp.int32, keepdims=True),
            "active": (whole > 0).sum(axes, dtype=jnp.int32, keepdims=True),
            "peak": whole.max(initial=0).astype(jnp.float32),
        }
    return found


def convolution(eqn, levels: Sequence[int]) -> ProductSite:
    """A `conv_general_dilated`: how often each pixel, or tap of the kernel, is used is a product over the axes."""
    left, right = (var.aval.shape for var in eqn.invars)
    out = eqn.outvars[0].aval.shape
    p, numbers = eqn.params, eqn.params["dimension_numbers"]
    groups, batches = p["feature_group_count"], p["batch_group_count"]
    uses = [
        hits(left[a], right[b], out[c], *how)
        for a, b, c, *how in zip(
            numbers.lhs_spec[2:],
            numbers.rhs_spec[2:],
            numbers.out_spec[2:],
            p["window_strides"],
            (low for low, _ in p["padding"]),
            p["lhs_dilation"],
            p["rhs_dilation"],
            strict=True,
        )
    ]
    outputs, batch = right[numbers.rhs_spec[0]], left[numbers.lhs_spec[0]]
    each = (outputs // (groups * batches), batch // batches)  # products of a pixel with one tap, of a tap with one pixel
    sides = []
    for k, (shape, spec) in enumerate(((left, numbers.lhs_spec), (right, numbers.rhs_spec))):
        if levels[k]:
            fanout = np.full([1] * len(shape), each[k], dtype=object)
            for axis, use in zip(spec[2:], uses, strict=True):
                fanout = fanout * use.sum(1 - k).astype(object).reshape([-1 if i == axis else 1 for i in range(len(shape))])
            sides.append(Side(str(k), math.prod(shape), fanout, levels[k] == INPUT))
    products = math.prod(int(use.sum()) for use in uses) * each[0] * batch * left[numbers.lhs_spec[1]]
    row = math.prod(left) // batch, math.prod(out) // max(1, out[numbers.out_spec[0]])
    still = math.prod(right) if levels[0] else math.prod(left)
    return ProductSite("conv", (left, right), products, math.prod(out), tuple(sides), still, row)


def hits(inputs: int, taps: int, outputs: int, stride: int, low: int, spread: int, dilation: int) -> np.ndarray:
    """Whether input i and tap k of a kernel meet in some output, along one axis: `[inputs, taps]` of 0 and 1."""
    found = np.zeros((inputs, taps), np.int64)
    at = np.arange(outputs)[:, None] * stride + np.arange(taps) * dilation - low  # [outputs, taps], in the spread input
    _, tap = np.nonzero(ok := (at >= 0) & (at % spread == 0) & (at // spread < inputs))
    np.add.at(found, (at[ok] // spread, tap), 1)
    return found


def dot(eqn, levels: Sequence[int]) -> ProductSite:
    """A `dot_general`: each number of one operand meets all that is free in the other."""
    shapes = tuple(var.aval.shape for var in eqn.invars)
    contracted, batched = eqn.params["dimension_numbers"]
    free = [
        math.prod(n for i, n in enumerate(shape) if i not in c and i not in b)
        for shape, c, b in zip(shapes, contracted, batched, strict=True)
    ]
    sides = []
    for k, shape in enumerate(shapes):
        if levels[k]:
            left = [n if i == 0 else 1 for i, n in enumerate(shape)]  # sums of parts stay below 2^31
            sides.append(Side(str(k), math.prod(shape), np.full(left, free[1 - k], dtype=object), levels[k] == INPUT))
    of = 0 if levels[0] else 1
    out, still = math.prod(eqn.outvars[0].aval.shape), math.prod(shapes[1 - of])
    row = math.prod(shapes[of][i] for i in contracted[of]), free[1 - of]
    return ProductSite("dense", shapes, math.prod(shapes[0]) * free[1], out, tuple(sides), still, row)


def cost(eqn) -> tuple[str, int]:
    """The kind of an elementwise operation or a reduction, and how many there are."""
    name, out = eqn.primitive.name, sum(math.prod(var.aval.shape) for var in eqn.outvars)
    kind = "additions" if name in SUMMED else "multiplications" if name in ("mul", "square", "reduce_prod") else "functions"
    if "window_dimensions" in eqn.params:
        return kind, out * math.prod(eqn.params["window_dimensions"])
    if name.startswith(("reduce", "arg", "cum", "scatter")):
        return kind, math.prod(eqn.invars[-1 if name.startswith("scatter") else 0].aval.shape)
    if name == "integer_pow":
        return "multiplications", out * max(1, abs(eqn.params["y"]) - 1)
    return kind, out


def idle(eqn) -> bool:
    """Whether an operation changes nothing, as x + 0 and 1 x, which no machine would do."""
    neutral = {"add": (0, "either"), "sub": (0, "last"), "mul": (1, "either"), "div": (1, "last")}
    number, where = neutral.get(eqn.primitive.name, (None, ""))
    sides = eqn.invars[-1:] if where == "last" else eqn.invars
    return number is not None and any(isinstance(var, Literal) and np.all(var.val == number) for var in sides)


def apply(eqn, arrays: Sequence[Any]) -> list[Any]:
    """What an equation makes of arrays."""
    out = eqn.primitive.bind(*arrays, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def closed(body: Jaxpr | ClosedJaxpr) -> ClosedJaxpr:
    return body if isinstance(body, ClosedJaxpr) else ClosedJaxpr(body, ())


def inside(eqn) -> Iterator[ClosedJaxpr]:
    """The jaxprs that an equation holds."""
    for param in eqn.params.values():
        for part in param if isinstance(param, (tuple, list)) else (param,):
            if isinstance(part, (Jaxpr, ClosedJaxpr)):
                yield closed(part)


def called(eqn) -> ClosedJaxpr | None:
    """The body of an equation that is a call and no more: a jit, a remat, a function with a derivative of its own."""
    name = eqn.primitive.name
    known = ("pjit", "jit", "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_jvp_call", "custom_vjp_call")
    bodies = [closed(eqn.params[key]) for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params]
    return bodies[0] if name.startswith(known) and len(bodies) == 1 else None


def levels_after(body: ClosedJaxpr, levels: Sequence[int]) -> list[int]:
    """How the results of a jaxpr depend on the data, where its arguments do as `levels` say. Nothing is computed."""
    walk = Walk()
    found: list[int] = []

    def run(*arrays):
        outs, _ = walk.run(body.jaxpr, body.consts, [Value(a, level) for a, level in zip(arrays, levels, strict=True)], (), False)
        found[:] = [out.level for out in outs]
        return [out.array for out in outs]

    jax.eval_shape(run, *(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in cast(Any, body.in_avals)))
    return found


def settled(body: ClosedJaxpr, consts: Sequence[int], carry: Sequence[int], xs: Sequence[int]) -> list[int]:
    """How what a loop carries depends on the data once it has turned often enough; what depends at all has been through neurons."""
    while True:
        after = levels_after(body, (*consts, *carry, *xs))[: len(carry)]
        new = [PROCESSED if a or b else PARAMETER for a, b in zip(carry, after, strict=True)]
        if new == list(carry):
            return new
        carry = new


def scan(walk: Walk, eqn, values: list[Value], at: Path, neurons: bool) -> tuple[list[Value], Tally]:
    """A `scan`; a loop whose turns are known is one too."""
    p, body = eqn.params, closed(eqn.params["jaxpr"])
    if "ft_in" in p:  # from JAX 0.12 on
        n, m = (len(part) for part in p["ft_in"].unpack()[:2])
    else:
        n, m = p["num_consts"], p["num_carry"]
    consts, carry, xs = values[:n], values[n : n + m], values[n + m :]
    levels = settled(body, *([v.level for v in part] for part in (consts, carry, xs)))
    stateful = neurons or any(levels)
    seen: dict[str, Any] = {}

    def step(arrays, parts):
        seen["inner"] = inner = [Value(a, level) for a, level in zip(arrays, levels, strict=True)]
        x = [Value(a, v.level) for a, v in zip(parts, xs, strict=True)]
        outs, tally = walk.run(body.jaxpr, body.consts, [*consts, *inner, *x], at, stateful)
        seen["levels"] = [out.level for out in outs]
        return [out.array for out in outs[:m]], ([out.array for out in outs[m:]], tally)

    first, parts = [v.array for v in carry], [v.array for v in xs]
    last, (ys, tally) = jax.lax.scan(step, first, parts, length=p["length"], reverse=p["reverse"])
    for v in carry:
        v.carried = True
    total = jax.tree.map_with_path(lambda where, leaf: over_time(where[-1].key, leaf), tally)
    total |= walk.state([Value(a, level) for a, level in zip(last, levels, strict=True)], seen["inner"], at, p["length"])
    return [Value(a, level) for a, level in zip([*last, *ys], [*levels, *seen["levels"][m:]], strict=True)], total


def over_time(name: str, leaf: Any) -> Any:
    """What was counted in each turn of a loop, as one."""
    return leaf.all(0) if name == "whole" else leaf.max(0, initial=0) if name == "peak" else leaf.sum(0, dtype=leaf.dtype)


def both(name: str, a: Any, b: Any) -> Any:
    """What was counted in two turns of a loop, as one."""
    return a & b if name == "whole" else jnp.maximum(a, b) if name == "peak" else a + b


def nothing(name: str, shape: Any) -> Any:
    """What is counted where nothing runs."""
    return jnp.full(shape.shape, name == "whole", shape.dtype)


def while_loop(walk: Walk, eqn, values: list[Value], at: Path, neurons: bool) -> tuple[list[Value], Tally]:
    """A loop that ends by a condition, in which no product may stand."""
    p, test, body = eqn.params, closed(eqn.params["cond_jaxpr"]), closed(eqn.params["body_jaxpr"])
    n, m = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    asked, consts, carry = values[:n], values[n:m], values[m:]
    levels = settled(body, [v.level for v in consts], [v.level for v in carry], ())
    seen: dict[str, Any] = {}

    def turn(arrays):
        seen["inner"] = inner = [Value(a, level) for a, level in zip(arrays, levels, strict=True)]
        outs, tally = walk.run(body.jaxpr, body.consts, [*consts, *inner], at, neurons or any(levels))
        return [out.array for out in outs], tally

    def going(loop):
        asking, arrays = Walk(), (Value(a, level) for a, level in zip(loop[0], levels, strict=True))
        outs, _ = asking.run(test.jaxpr, test.consts, [*asked, *arrays], (), False)
        if any(isinstance(site, ProductSite) for site in asking.sites.values()):
            raise ValueError("a product of weights with data decides how long a while_loop runs; it cannot be counted")
        return outs[0].array

    def again(loop):
        arrays, tally, turns = loop
        arrays, new = turn(arrays)
        return arrays, jax.tree.map_with_path(lambda where, a, b: both(where[-1].key, a, b), tally, new), turns + 1

    first = [v.array for v in carry]
    shapes = jax.eval_shape(turn, first)[1]
    zero = jax.tree.map_with_path(lambda where, shape: nothing(where[-1].key, shape), shapes)
    last, total, turns = jax.lax.while_loop(going, again, (first, zero, jnp.int32(0)))
    for v in carry:
        v.carried = True
    outs = [Value(a, level) for a, level in zip(last, levels, strict=True)]
    return outs, total | walk.state(outs, seen["inner"], at, turns)


def cond(walk: Walk, eqn, values: list[Value], at: Path, neurons: bool) -> tuple[list[Value], Tally]:
    """One branch of several: what is counted is what runs."""
    index, *args = values
    bodies = [closed(body) for body in eqn.params["branches"]]
    levels: dict[int, list[int]] = {}

    def branch(k: int, arrays) -> tuple[list[Any], Tally]:
        inner = [Value(a, v.level) for a, v in zip(arrays, args, strict=True)]
        outs, tally = walk.run(bodies[k].jaxpr, bodies[k].consts, inner, (*at, k), neurons)
        levels[k] = [out.level for out in outs]
        return [out.array for out in outs], tally

    arrays = [v.array for v in args]
    shapes = [jax.eval_shape(lambda given, k=k: branch(k, given)[1], arrays) for k in range(len(bodies))]

    def whole(k: int) -> Callable:
        def run(given):
            outs, tally = branch(k, given)
            idle = {path: parts for i, other in enumerate(shapes) if i != k for path, parts in other.items()}
            return outs, tally | jax.tree.map_with_path(lambda where, shape: nothing(where[-1].key, shape), idle)

        return run

    outs, tally = jax.lax.switch(index.array, [whole(k) for k in range(len(bodies))], arrays)
    found = [max(*of, index.level) for of in zip(*levels.values(), strict=True)]
    return [Value(a, level) for a, level in zip(outs, found, strict=True)], tally


LOOPS: dict[str, Callable] = {"scan": scan, "while": while_loop, "cond": cond}
