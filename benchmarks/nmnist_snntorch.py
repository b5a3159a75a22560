"""Seconds per epoch of snnTorch's tutorial network on N-MNIST: `python -m benchmarks.nmnist_snntorch FOLDER [EPOCHS]`.

12C5-MP2-LIF-32C5-MP2-LIF-FC10-LIF (beta 0.5, atan), 16 time bins, counts clipped at 4, shifts of up to 3 pixels, batch 32,
AdamW 2e-3 with cosine, mean membrane as logits, trained on the folder's training part; needs torch and snnTorch, which
`make peers PYTHON=3.11` installs.
Beside it, on the same machine and with nothing else running: `python -m experiments.classify nmnist --data.root FOLDER --out DIR`,
whose result.json has seconds_per_epoch.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import snntorch
import torch
from snntorch import surrogate
from torch import nn

from mxsnn.data import datasets
from mxsnn.events.encodings import TimeFrames

BATCH, BINS, SHIFT = 32, 16, 3


class Network(nn.Module):
    """snnTorch's tutorial network; frames [T, B, 2, 34, 34] -> logits [B, 10]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(2, 12, 5), nn.Conv2d(12, 32, 5), nn.Linear(32 * 5 * 5, 10)])
        self.neurons = nn.ModuleList([snntorch.Leaky(beta=0.5, spike_grad=surrogate.atan()) for _ in self.layers])

    def forward(self, frames):
        membranes = [neuron.init_leaky() for neuron in self.neurons]
        total = 0.0
        for x in frames:
            for k, (layer, neuron) in enumerate(zip(self.layers, self.neurons, strict=True)):
                x = nn.functional.max_pool2d(layer(x), 2) if k < 2 else layer(x.flatten(1))
                x, membranes[k] = neuron(x, membranes[k])
            total = total + membranes[-1]
        return total / len(frames)


def main(root: str, epochs: int) -> None:
    """Trains and prints the time of each epoch, then the accuracy on the test part."""
    recordings = datasets.nmnist(root)
    encode = TimeFrames(BINS, 0, 340_000, clip=4)
    frames = np.stack([encode(recordings[i]) for i in range(len(recordings))])
    frames = torch.from_numpy(frames.transpose(1, 0, 4, 2, 3).astype(np.float32))  # [T, N, C, H, W]
    labels, rng = torch.from_numpy(recordings.labels), np.random.default_rng(0)
    train, test = np.flatnonzero(~recordings.test), np.flatnonzero(recordings.test)
    torch.manual_seed(0)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(train) // BATCH))
    times = []
    for epoch in range(epochs):
        start, order = time.perf_counter(), rng.permutation(train)
        for k in range(len(order) // BATCH):
            chosen = order[k * BATCH : (k + 1) * BATCH]
            moved = torch.roll(frames[:, chosen], tuple(map(int, rng.integers(-SHIFT, SHIFT + 1, 2))), (-2, -1))
            loss = nn.functional.cross_entropy(network(moved), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        times.append(time.perf_counter() - start)
        print(f"epoch {epoch + 1}: {times[-1]:.2f} s", flush=True)
    with torch.no_grad():
        right = (network(frames[:, test]).argmax(1) == labels[test]).float().mean()
    print(
        f"median {np.median(times):.2f} s an epoch, {torch.get_num_threads()} threads; {right:.1%} of {len(test)} test recordings"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
