"""Batches: which samples come when, in which process, on which device."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mxsnn.data.pipeline import Order, Resident, Shard, ahead, evaluation, on_device, training
from mxsnn.errors import UserError
from tests.test_training import Toy

ROOT = Path(__file__).parents[1]


class TestOrder:
    def test_epochs_are_permutations_that_depend_on_the_seed(self):
        indices = np.arange(100, 140)
        order = Order(indices, 8, seed=1)
        epochs = [np.concatenate([order[e * 5 + k] for k in range(5)]) for e in range(3)]
        for epoch in epochs:
            assert sorted(epoch) == list(indices)
        assert not np.array_equal(epochs[0], epochs[1])
        again, other = Order(indices, 8, seed=1), Order(indices, 8, seed=2)
        assert np.array_equal(again[7], order[7]) and not np.array_equal(other[7], order[7])

    def test_too_few_samples(self):
        with pytest.raises(ValueError, match="a batch of 8 needs as many"):
            Order(np.arange(5), 8, seed=0)


def same(batches, others) -> None:
    for a, b in zip(batches, others, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
            assert np.asarray(a[key]).dtype == np.asarray(b[key]).dtype


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_resident(workers):
    order = Order(np.arange(40), 8, seed=3)
    streamed = list(training(Toy(), order, 2, 12, workers))
    assert len(streamed) == 10
    same(streamed, training(Resident(Toy()), order, 2, 12))
    assert [int(b["epoch"]) for b in streamed] == [s // 5 for s in range(2, 12)]


def test_what_lies_on_the_device_is_not_fetched_by_workers():
    resident = Resident(Toy())
    resident.frames = lambda indices, epoch: os.getpid()  # pyrefly: ignore
    (batch,) = training(resident, Order(np.arange(40), 8, seed=3), 0, 1, workers=2)
    assert batch["frames"] == os.getpid()


def test_padding_weighs_nothing():
    batches = list(evaluation(Toy(), np.arange(10), 4))
    assert [int(b["weight"].sum()) for b in batches] == [4, 4, 2]
    assert len({b["frames"].shape for b in batches}) == 1


@pytest.mark.parametrize("count", [1, 2, 4])
def test_shards_are_the_batch(count):
    """Whatever the number of processes, together they load what one would."""
    order = Order(np.arange(40), 8, seed=3)

    def joined(make):
        parts = zip(*(make(Shard(i, count)) for i in range(count)), strict=True)
        return [{k: np.concatenate([p[k] for p in part]) if np.ndim(part[0][k]) else part[0][k] for k in part[0]} for part in parts]

    same(joined(lambda shard: training(Toy(), order, 0, 7, shard=shard)), training(Toy(), order, 0, 7))
    same(joined(lambda shard: evaluation(Toy(), np.arange(11), 4, shard)), evaluation(Toy(), np.arange(11), 4))


def test_a_batch_without_equal_parts():
    with pytest.raises(UserError, match="a batch of 8 has no 3 equal parts"):
        next(training(Toy(), Order(np.arange(40), 8, seed=3), 0, 1, shard=Shard(0, 3)))


def test_batches_go_ahead_to_the_device():
    asked = []

    def batches():
        for k in range(6):
            asked.append(k)
            yield {"frames": np.full((2, 3), k), "epoch": np.asarray(k)}

    coming = on_device(batches(), count=2)
    first = next(coming)
    assert isinstance(first["frames"], jax.Array)
    assert asked == [0, 1, 2]  # two are on their way while this one is in use
    assert [int(b["epoch"]) for b in (first, *coming)] == list(range(6))


def fails(k: int) -> int:
    if k == 3:
        raise UserError("recording 3 cannot be read")
    return k


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_in_a_worker_is_the_users_error_here(workers):
    with pytest.raises(UserError, match="recording 3 cannot be read"):
        list(ahead(fails, 0, 6, workers))


MESH = """
import sys
import jax
import numpy as np
from mxsnn.data.pipeline import Order, on_device, training
from tests.test_training import Toy
address, count, index = sys.argv[1], *map(int, sys.argv[2:])
if count > 1:
    jax.distributed.initialize(address, count, index)
assert (jax.process_count(), jax.device_count()) == (count, 2)
mesh = jax.sharding.Mesh(np.array(jax.devices()), "batch")
sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
each = lambda b: b["frames"].astype(float) * (b["index"] + 1.0)[:, None, None, None, None]
told = jax.jit(lambda b: (each(b).sum(), b["label"].sum(), b["epoch"]))
for batch in on_device(training(Toy(), Order(np.arange(40), 8, seed=3), 3, 8), sharding):
    assert batch["frames"].shape[0] == 8 and batch["frames"].sharding == sharding
    print("batch", *map(float, told(batch)))
"""


@pytest.mark.slow
def test_processes_with_a_mesh_see_one_batch():
    """Two devices of one process, and two processes with a device each, compute from the whole batch."""

    def run(count: int) -> list[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={2 // count}", "PYTHONPATH": str(ROOT)}
        commands = [[sys.executable, "-c", MESH, address, str(count), str(k)] for k in range(count)]
        pipe = subprocess.PIPE
        processes = [subprocess.Popen(c, env=os.environ | flags, stdout=pipe, stderr=pipe, text=True) for c in commands]
        ends = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0] * count, ends
        return [out for out, _ in ends]

    expected = [
        ((b["frames"].astype(float) * (b["index"] + 1.0)[:, None, None, None, None]).sum(), b["label"].sum(), b["epoch"])
        for b in training(Toy(), Order(np.arange(40), 8, seed=3), 3, 8)
    ]
    for out in (*run(1), *run(2)):
        batches = [line.split()[1:] for line in out.splitlines() if line.startswith("batch")]
        np.testing.assert_allclose(np.array(batches, float), expected, rtol=1e-6)
