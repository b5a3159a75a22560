"""NIR graphs in HDF5 files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mxsnn.errors import UserError
from mxsnn.interop.membranes import package

DEFLATED = 1032  # the most bytes that gzip makes one of


def read(path: Path) -> Any:
    """The graph in a file. Raises UserError for a file that is none."""
    nir = package()
    try:
        _plausible(path)
        # Without its check of shapes, which takes the height of a kernel for its width, too.
        return nir.read(path, type_check=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UserError:
        raise
    except Exception as error:  # it asserts, and damage leads h5py into any of a dozen
        raise UserError(f"{path}: not a NIR graph in HDF5: {str(error).partition(chr(10))[0]}") from error


def _plausible(path: Path) -> None:
    """Raises UserError for a file with arrays that are larger than its bytes can hold, before memory is reserved for them."""
    import h5py

    most = DEFLATED * path.stat().st_size

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (math.prod(item.shape or ()) * item.dtype.itemsize > most or item.nbytes > most):
            raise UserError(f"{path}: damaged: {name} states {item.nbytes:,} bytes, more than the file can hold; get it anew")

    with h5py.File(path, "r") as file:
        file.visititems(look)
