"""Data sets: labelled recordings by index."""

from mxsnn.data.datasets.base import Recordings
from mxsnn.data.datasets.folders import class_folders
from mxsnn.data.datasets.nmnist import nmnist
from mxsnn.data.datasets.recordings import recordings, write_index
from mxsnn.data.datasets.smoke import smoke

__all__ = ["Recordings", "class_folders", "nmnist", "recordings", "smoke", "write_index"]
