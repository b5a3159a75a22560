"""Data sets: labelled recordings by index, and the published ones by name (docs/datasets.md)."""

from mxsnn.data.datasets.base import Recordings
from mxsnn.data.datasets.catalogue import KNOWN, open_dataset, recognise
from mxsnn.data.datasets.folders import class_folders
from mxsnn.data.datasets.nmnist import nmnist
from mxsnn.data.datasets.recordings import recordings, write_index
from mxsnn.data.datasets.smoke import smoke

__all__ = ["KNOWN", "Recordings", "class_folders", "nmnist", "open_dataset", "recognise", "recordings", "smoke", "write_index"]
