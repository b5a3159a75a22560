"""Recordings from files and to files: a format a module, and `files` that reads and writes all of them."""

from __future__ import annotations

from mxsnn.events.io._source import Format
from mxsnn.events.io.aedat2 import AEDAT2
from mxsnn.events.io.aedat3 import AEDAT3
from mxsnn.events.io.aedat4 import AEDAT4
from mxsnn.events.io.dat import DAT
from mxsnn.events.io.es import ES
from mxsnn.events.io.evt2 import EVT2
from mxsnn.events.io.evt3 import EVT3
from mxsnn.events.io.evt21 import EVT21
from mxsnn.events.io.folders import NPY_FOLDER, NPZ_FOLDER, RPG
from mxsnn.events.io.hdf5 import DSEC, E2VID, MVSEC, PROPHESEE_HDF5, RVT, V2E
from mxsnn.events.io.nmnist import NMNIST
from mxsnn.events.io.numpy_files import NPY, NPZ
from mxsnn.events.io.recording_file import RECORDING
from mxsnn.events.io.text import TEXT

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        AEDAT2,
        AEDAT3,
        AEDAT4,
        EVT2,
        EVT21,
        EVT3,
        DAT,
        ES,
        TEXT,
        RPG,
        NPY_FOLDER,
        NPZ_FOLDER,
        NMNIST,
        NPY,
        NPZ,
        RECORDING,
        PROPHESEE_HDF5,
        DSEC,
        RVT,
        E2VID,
        MVSEC,
        V2E,
    )
}
"""Every format by its name."""
