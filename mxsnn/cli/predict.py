"""What a trained network names in a recording, window by window."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_json, add_overwrite
from mxsnn.cli.device import check_device
from mxsnn.cli.terminal import show
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a finished training; of folds one: runs/faces/fold-0")
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="a file with what the network sees")
    parser.add_argument("--every", metavar="STEPS", type=int, help="say something every so many steps; else once a window")
    parser.add_argument("--start", metavar="US", type=int, help="where the first window begins; else as in training")
    parser.add_argument("--figure", metavar="FILE.png", type=Path, help="draw what is named over time")
    add_overwrite(parser, "FILE.png")
    add_json(parser)


def run(run: Path, recording: Path, every: int | None, start: int | None, figure: Path | None, overwrite: bool, json: bool) -> None:
    import numpy as np

    from mxsnn.events import open_recording
    from mxsnn.events.io.files import check_vacant
    from mxsnn.models.trained import load
    from mxsnn.prediction import predict

    if figure is not None:
        if figure.suffix.lower() != ".png":
            raise UserError(f"a figure is a .png file, got {figure}")
        check_vacant(figure, overwrite)
    if not run.is_dir():
        raise UserError(f"{run}: no such folder; give that of a finished training")
    check_device()
    network, about = load(run)
    said = list(predict(network, about, open_recording(recording), every, start))
    chances = [_softmax(one.logits) for one in said]
    rows: list[dict[str, Any]] = [
        {
            "start_us": one.start,
            "stop_us": one.stop,
            "named": about.classes[int(chance.argmax())],
            "probability": float(chance.max()),
            "logits": {name: float(logit) for name, logit in zip(about.classes, one.logits, strict=True)},
            "latency_ms": 1000 * one.seconds,
        }
        for one, chance in zip(said, chances, strict=True)
    ]
    latency = float(np.median([one.seconds for one in said]))
    whole = _softmax(np.mean([one.logits for one in said], 0))
    found = {
        "parts": rows,
        "whole": {"named": about.classes[int(whole.argmax())], "probability": float(whole.max())},
        "latency_ms": 1000 * latency,
    }
    lines = {}
    for row in rows:
        lines[f"{row['start_us'] / 1e6:.3f} to {row['stop_us'] / 1e6:.3f} s"] = f"{row['named']}  {row['probability']:.0%}"
    lines["all of it"] = f"{found['whole']['named']}  {found['whole']['probability']:.0%}"
    lines["latency"] = f"{1000 * latency:.1f} ms a part on this device, from frames to what is said (median of {len(rows)})"
    if figure is not None:
        from mxsnn.report.figures import named_over_time

        named_over_time([one.start for one in said] + [said[-1].stop], np.array(chances), about.classes, figure)
        lines["figure"] = str(figure)
    show(found, lines, json)


def _softmax(logits: Any) -> Any:
    import numpy as np

    raised = np.exp(logits - np.max(logits))
    return raised / raised.sum()
