"""Check and measure a neuron: every promise, both precisions, gradients beside finite differences; exit code 1 where it fails."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from mxsnn.cli.arguments import add_overwrite
from mxsnn.cli.device import check_device
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument("neuron", metavar="NEURON", help='such as LIF, "LIF(tau=30, reset=to_value(0))" or my_neurons.py:MyNeuron')
    parser.add_argument("--figure", metavar="FILE.png", type=Path, help="draw response to a step, f-I curve and phase plane")
    add_overwrite(parser, "FILE.png")


def run(neuron: str, figure: Path | None, overwrite: bool) -> int:
    from mxsnn.audit import audit
    from mxsnn.events.io.files import check_vacant
    from mxsnn.models.described import described

    if figure is not None:
        if figure.suffix.lower() != ".png":
            raise UserError(f"a figure is a .png file, got {figure}")
        check_vacant(figure, overwrite)
    check_device()
    found = audit(described(neuron))
    print(found)
    if figure is not None:
        found.figure(figure)
        print(figure)
    return 0 if found.passed else 1
