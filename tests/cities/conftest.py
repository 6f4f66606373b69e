"""The shipped configuration, and a private copy of it in which a test may plant a mistake."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ota.cities.loader import Cities, load_cities

SHIPPED = Path(__file__).parents[2] / "config"

Edit = Callable[[str, str, str], Path]


@pytest.fixture(scope="session")
def cities() -> Cities:
    return load_cities(SHIPPED / "cities")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of config that the test may spoil."""
    copy = tmp_path / "config"
    shutil.copytree(SHIPPED, copy)
    return copy


@pytest.fixture
def edit(config: Path) -> Edit:
    """Replace one piece of text in a file under the copy; the piece must be there."""

    def replace(file: str, old: str, new: str) -> Path:
        path = config / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace
