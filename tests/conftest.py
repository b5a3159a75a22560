"""What every test stands on: the platform, how hypothesis searches, where real recordings lie."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # before anything imports JAX

import jax
import pytest
from hypothesis import HealthCheck, settings

# A first call compiles, so a deadline for an example would time the compiler. CI looks at the same examples each time.
settings.register_profile("mxsnn", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("mxsnn"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "mxsnn")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and jax.default_backend() == "cpu":
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason="JAX sees no accelerator (set JAX_PLATFORMS to let it look)"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled programs and encoded samples of the tests do not lie among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real recordings: $MXSNN_TEST_DATA, or ../shared/data beside the clone; skips where there is none."""
    folder = Path(os.environ.get("MXSNN_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs real recordings: no folder {folder} (set MXSNN_TEST_DATA)")
    return folder


@pytest.fixture
def code_at_rest(monkeypatch):
    """Files of the package may be edited while the tests run; that the cache notices is a test of its own."""
    from mxsnn.data import cache

    monkeypatch.setattr(cache, "_began", lambda: math.inf)
