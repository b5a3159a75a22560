"""Write the weights of a PyTorch checkpoint as an .npz of plain arrays."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from mxsnn.cli.arguments import add_overwrite


def add(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="what torch.save wrote of a state dict")
    parser.add_argument("out", metavar="OUT", type=Path, help="the .npz to write")
    parser.add_argument("--key", metavar="NAME", help="which entry is the state dict, where the checkpoint holds more")
    add_overwrite(parser)


def run(checkpoint: Path, out: Path, key: str | None, overwrite: bool) -> None:
    from mxsnn.interop import convert_weights

    weights = convert_weights(checkpoint, out, key=key, overwrite=overwrite)
    width = max(map(len, weights))
    for name, array in weights.items():
        print(f"{name:{width}}  {array.dtype!s:8} {'x'.join(map(str, array.shape)) or 'a number'}")
    print(f"{out}: {len(weights)} arrays, {sum(array.nbytes for array in weights.values()) / 1e6:.3g} MB")
