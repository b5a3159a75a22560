"""What a run says: a line of JSON per epoch, Weights & Biases when asked, a bar on a terminal, quiet lines elsewhere."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

from mxsnn.training.run import write_atomically

Row = dict[str, Any]


class Metrics:
    """`metrics.jsonl`: one row a line, each on disk before the next step; `wandb` is "off", "offline" or "online"."""

    def __init__(self, folder: Path, wandb: Literal["off", "offline", "online"] = "off", config: dict | None = None):
        self.path = folder / "metrics.jsonl"
        self._wandb = None
        if wandb != "off":
            import wandb as client

            # The folder's name is the run's identity, so that a resumed run goes on where it was.
            name = folder.absolute().as_posix().strip("/").replace("/", "-")[-100:]
            settings = client.Settings(silent=True)
            self._wandb = client.init(
                project="mxsnn", id=name, name=folder.name, dir=folder, mode=wandb, config=config, resume="allow", settings=settings
            )

    def rows(self) -> list[Row]:
        """All rows; what a kill left of a line is none."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    def rewind(self, step: int) -> None:
        """Drops the rows after `step`, which the resumed run writes again."""
        if self.path.exists():
            kept = [row for row in self.rows() if row["step"] <= step]
            write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in kept))

    def write(self, row: Row) -> None:
        """Appends a row."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._wandb is not None:
            self._wandb.log(row, step=row["step"])

    def close(self) -> None:
        """Lets Weights & Biases finish."""
        if self._wandb is not None:
            self._wandb.finish()


class Progress:
    """A bar with rate and time left where stderr is a terminal; elsewhere a line per epoch."""

    def __init__(self, title: str, start: int, stop: int):
        from tqdm import tqdm

        self._bar = tqdm(desc=title, total=stop, initial=start, unit="step", disable=not sys.stderr.isatty(), leave=False)
        self._title = title

    def step(self) -> None:
        """One step is done."""
        self._bar.update()

    def epoch(self, row: Row) -> None:
        """Shows the row of an epoch."""
        shown = {k: v for k, v in row.items() if k not in ("step", "seconds", "epoch")}
        text = "  ".join(f"{k} {v:.4g}" for k, v in shown.items())
        if self._bar.disable:
            print(f"{self._title}  epoch {row['epoch']}  {text}  ({row['seconds']:.1f} s)", flush=True)
        else:
            self._bar.set_postfix_str(text)

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()
