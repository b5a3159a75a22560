"""Makes the golden spikes of snnTorch's `spikegen` and SpikingJelly's encoders: `python tests/golden/make_spikegen.py`, with both.

The intensities of a uint8, [256], are what all but delta are given. Of rates, spikes in STEPS steps are kept; of latencies, the
step of each level's spike (-1: none) or, before it is rounded, its time; of delta, the spikes -1, 0, 1 of `video` and of `jumps`,
whose changes are whole thresholds.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from snntorch import spikegen
from spikingjelly.activation_based import encoding

HERE = Path(__file__).parent
STEPS = 4000


def fired(spikes: torch.Tensor) -> np.ndarray:
    """The step of each element's one spike, of [steps, N]; -1 where there is none."""
    assert ((spikes == 0) | (spikes == 1)).all() and (spikes.sum(0) <= 1).all()
    return torch.where(spikes.any(0), spikes.argmax(0), -1).numpy().astype(np.int16)


def main() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    levels = torch.arange(256) / 255
    kept = {
        "rate": spikegen.rate(levels, num_steps=STEPS).sum(0).numpy().astype(np.int32),
        "rate, gain 0.5, offset 0.2": spikegen.rate(levels, num_steps=STEPS, gain=0.5, offset=0.2).sum(0).numpy().astype(np.int32),
        "poisson": torch.stack([encoding.PoissonEncoder()(levels) for _ in range(STEPS)]).sum(0).numpy().astype(np.int32),
    }
    for steps in (2, 8, 25):
        spikes = spikegen.latency(levels, num_steps=steps, threshold=0.1, linear=True, normalize=True, clip=True)
        kept[f"linear, {steps} steps"] = fired(spikes)
        encoder = encoding.LatencyEncoder(steps)
        kept[f"spikingjelly linear, {steps} steps"] = fired(torch.stack([encoder(levels) for _ in range(steps)]))
    times, under = spikegen.latency_code(levels, num_steps=10, threshold=0.1, tau=5)
    kept["log"] = torch.where(under, torch.inf, times).numpy()
    video = (rng.integers(0, 9, (20, 1, 6, 1)) / 8).astype(np.float32)
    moves = rng.integers(-2, 3, (20, 1, 6, 1)) / 4
    jumps = np.zeros_like(video)
    for t in range(1, len(jumps)):
        jumps[t] = np.clip(jumps[t - 1] + moves[t], 0, 1)
    for name, signal in (("video", video), ("jumps", jumps)):
        kept[name] = signal
        spikes = spikegen.delta(torch.from_numpy(signal), threshold=0.25, padding=True, off_spike=True)
        kept[f"delta of {name}"] = spikes.numpy().astype(np.int8)
    versions = json.dumps({package: version(package) for package in ("torch", "snntorch", "spikingjelly")})
    np.savez_compressed(HERE / "spikegen.npz", versions=versions, **kept)


if __name__ == "__main__":
    main()
