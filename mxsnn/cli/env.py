"""What is installed, and on what it runs."""

from __future__ import annotations

from argparse import ArgumentParser

from mxsnn import __version__
from mxsnn.cli.arguments import add_json
from mxsnn.cli.device import check_device
from mxsnn.cli.terminal import show
from mxsnn.errors import UserError

EXTRAS = {
    "cuda12": ("jax-cuda12-plugin",),
    "cuda13": ("jax-cuda13-plugin",),
    "tpu": ("libtpu",),
    "experiments": ("tyro",),
    "codecs": ("hdf5plugin",),
    "interop": ("nir",),
    "video": ("av",),
    "peers": ("torch", "snntorch", "spikingjelly", "norse", "spyx"),
}
"""What an extra of mxsnn must bring to count as installed."""

WITHOUT = {
    "expelliarmus": "nothing in mxsnn lacks it; tonic asks for it on account of Prophesee's raw files and, in 1.7, uses it nowhere",
    "aedat": "no AEDAT4 files",
    "av": "no video files; mxsnn[video] brings it",
    "h5py": "no HDF5 files, and so no recording files",
    "hdf5plugin": "no HDF5 files of codecs other than gzip, such as DSEC's; mxsnn[codecs] brings it",
    "matplotlib": "no figures",
    "numba": "no raw files",
    "pillow": "no image files",
    "tqdm": "no training",
    "nir": "no NIR graphs; mxsnn[interop] brings it",
    "tyro": "no command lines of experiments/; mxsnn[experiments] brings it",
    "torch": "no checkpoints of torch, no comparisons with other libraries; mxsnn[peers] brings it",
    "snntorch": "no comparisons with snnTorch; mxsnn[peers] brings it",
    "spikingjelly": "no comparisons with SpikingJelly; mxsnn[peers] brings it",
    "norse": "no comparisons with Norse; mxsnn[peers] brings it",
    "spyx": "no comparisons with spyx; mxsnn[peers] brings it",
}
"""What does not work where a package is missing, beside those that every run records (`mxsnn.training.run.PACKAGES`)."""


def add(parser: ArgumentParser) -> None:
    add_json(parser)


def run(json: bool) -> None:
    try:
        from mxsnn.training.run import environment
    except ImportError as error:
        raise UserError(f"mxsnn is not wholly installed ({error}); install it again") from error
    check_device()
    found = environment()
    found.pop("command")
    versions = found["versions"] | {name: _version(name) for name in WITHOUT} | {"mxsnn": __version__}
    extras = {extra: all(_version(name) for name in names) for extra, names in EXTRAS.items()}
    missing = {name: WITHOUT.get(name, "install mxsnn again") for name, version in versions.items() if version is None}
    found |= {"versions": versions, "extras": extras, "missing": missing}
    lines = {name: version or f"missing: {missing[name]}" for name, version in versions.items()}
    lines |= {
        "extras": ", ".join(extra for extra, there in extras.items() if there) or "none",
        "commit": found["commit"] or "unknown: not run from a checkout",
        "platform": found["platform"],
        "processor": f"{found['processor']}, {found['cores']} cores",
        "devices": ", ".join(found["devices"]),
    }
    show(found, lines, json)


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
