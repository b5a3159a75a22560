"""Is the task of the faces neither trivial nor impossible? A linear model without time, on sums of each pixel's events.

    mxsnn faces FOLDER --subjects 16 --clips 16 --sensors 128x96 --lux 50 --camera none
    python -m benchmarks.faces_task FOLDER

Ridge regression of the classes on counts per pixel and polarity, standardised; subjects held out in four folds. Nothing is
selected: the penalty is the number of features.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from mxsnn.data.datasets import recordings
from mxsnn.data.splits import folds


def counts(data, pool: int) -> np.ndarray:
    """Events of each recording, [N, features]: by polarity and square of `pool` pixels."""
    width, height = data.sensor_size
    shape = (2, -(-height // pool), -(-width // pool))
    found = np.empty((len(data), math.prod(shape)), np.float32)
    for i in range(len(data)):
        e = data[i]
        where = np.ravel_multi_index((e.p.astype(int), e.y // pool, e.x // pool), shape)
        found[i] = np.bincount(where, minlength=found.shape[1])
    return found


def ridge(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, classes: int) -> np.ndarray:
    """The classes that a ridge regression gives `test`, [M]."""
    mean, deviation = x[train].mean(0), x[train].std(0) + 1e-6
    known, asked = (x[train] - mean) / deviation, (x[test] - mean) / deviation
    weights = np.linalg.solve(known @ known.T + x.shape[1] * np.eye(len(train)), np.eye(classes)[y[train]] - 1 / classes)
    return np.argmax(asked @ (known.T @ weights), 1)


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson, JASA 22, 1927."""
    share, grown = right / n, 1 + z * z / n
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / grown
    middle = (share + z * z / (2 * n)) / grown
    return middle - half, middle + half


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    data = recordings(folder)
    assert data.groups is not None
    n = len(data.classes)
    print(f"{len(data)} recordings, {len(data.subjects)} subjects, {n} classes: chance {1 / n:.1%}")
    for pool in (1, 4):
        x, right = counts(data, pool), 0
        for test in folds(data.labels, 4, 0, data.groups):
            train = np.setdiff1d(np.arange(len(data)), test)
            right += int((ridge(x, data.labels, train, test, n) == data.labels[test]).sum())
        low, high = wilson(right, len(data))
        print(f"sums of {pool}x{pool} pixels: {right / len(data):.1%} ({right}/{len(data)}), 95 % interval {low:.1%} to {high:.1%}")


if __name__ == "__main__":
    main()
