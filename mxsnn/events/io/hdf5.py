"""Events in HDF5 files of other projects, told apart by what they hold.

- Prophesee: `CD/events`, a table of x, y, p, t (us), and `EXT_TRIGGER/events` of p, t, id. Its ECF codec is a plugin of HDF5.
  docs.prophesee.ai/stable/data/file_formats/hdf5.html
- DSEC: `events/{x,y,p,t}`, t in us after `t_offset`; `ms_to_idx`, the first event of each ms after it.
  Gehrig et al. 2021, doi:10.1109/LRA.2021.3068942
- RVT (ECDP): `events/{x,y,p,t}`, t in us, and the sensor's `events/{width,height}`. Gehrig & Scaramuzza 2023.
- E2VID (Monash): `events/{xs,ys,ts,ps}`, ts in s, and an image each in `images/*` with its `timestamp` in s; the attribute
  `sensor_resolution` is (height, width). Stoffregen et al. 2020.
- MVSEC: `davis/{left,right}/events`, columns x, y, t (s), p of -1/+1, and `image_raw` at `image_raw_ts`.
  Zhu et al. 2018, doi:10.1109/LRA.2018.2800793
- v2e: `events`, columns t (us), x, y, p of 0/1, and `frame` at `frame_ts` (us). Hu et al. 2021, arXiv:2006.07722
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mxsnn.events.io._source import Format, Source

if TYPE_CHECKING:
    from mxsnn.events.io._hdf5 import Codec

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUFFIXES = (".h5", ".hdf5")


def layout(name: str) -> Callable[[Path, bytes], bool]:
    """Whether an HDF5 file has the layout of this name. Raises: UserError for a damaged one, or one of no known layout."""

    def matches(path: Path, head: bytes) -> bool:
        if not any(head.startswith(_SIGNATURE, start) for start in (0, 512, 1024, 2048)):  # after what the owner put before it
            return False
        from mxsnn.events.io import _layouts

        return name in _layouts.layouts(path)

    return matches


def open_prophesee(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """Events and triggers of Metavision's HDF5 files."""
    from mxsnn.events.io import _layouts

    return _layouts.prophesee(path, sensor_size)


def open_dsec(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """Events as DSEC holds them; times are the file's with `t_offset`. DSEC's sensor, 640x480, is not in its files."""
    from mxsnn.events.io import _layouts

    return _layouts.columns(path, sensor_size)


def open_rvt(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """Events in four data sets, without an offset."""
    from mxsnn.events.io import _layouts

    return _layouts.columns(path, sensor_size)


def open_e2vid(path: Path, sensor_size: tuple[int, int] | None, *, time_unit: str | None = None) -> Source:
    """Events and the images beside them, as frames "grey" or, of three channels in the file's order, "rgb".

    `time_unit`: of the events, "s", "ms", "us" or "ns"; None is s. Raises: UserError for whole times whose unit is not said.
    """
    from mxsnn.events.io import _layouts

    return _layouts.e2vid(path, sensor_size, time_unit)


def open_mvsec(path: Path, sensor_size: tuple[int, int] | None, *, camera: str = "left") -> Source:
    """Events and grey frames of one of the two cameras, "left" or "right"."""
    from mxsnn.events.io import _layouts

    return _layouts.mvsec(path, sensor_size, camera)


def open_v2e(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """Events that v2e simulated, and the frames that it simulated them from."""
    from mxsnn.events.io import _layouts

    return _layouts.v2e(path, sensor_size)


def write_dsec(path: Path, source: Source, *, codec: Codec | str = "gzip") -> None:
    """DSEC's layout with attributes `width` and `height`. `codec` as for recording files.

    Raises: UserError for recordings longer than 71 minutes, beyond which its times do not reach.
    """
    from mxsnn.events.io import _layouts

    _layouts.write_dsec(path, source, codec)


PROPHESEE_HDF5 = Format("prophesee-hdf5", "Prophesee's HDF5", _SUFFIXES, open_prophesee, layout("prophesee-hdf5"))
DSEC = Format("dsec", "HDF5 as in DSEC", _SUFFIXES, open_dsec, layout("dsec"), write_dsec)
RVT = Format("rvt", "HDF5 as in RVT and ECDP", _SUFFIXES, open_rvt, layout("rvt"))
E2VID = Format("e2vid-hdf5", "HDF5 as of E2VID's tools", _SUFFIXES, open_e2vid, layout("e2vid-hdf5"))
MVSEC = Format("mvsec", "HDF5 of MVSEC", _SUFFIXES, open_mvsec, layout("mvsec"))
V2E = Format("v2e", "HDF5 of the simulator v2e", _SUFFIXES, open_v2e, layout("v2e"))
