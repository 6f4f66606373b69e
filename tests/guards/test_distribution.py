"""Whatever the package reads at run time is part of what is installed."""

from __future__ import annotations

import configparser
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.guards.source import ROOT, tracked_files


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def tracked_below(folder: str) -> list[Path]:
    names = [path.relative_to(ROOT) for path in tracked_files() if path.is_relative_to(ROOT / folder)]
    return [name for name in names if name.suffix != ".py"]


def test_every_configuration_file_is_installed(setup: configparser.ConfigParser) -> None:
    data_files = setup["options.data_files"]

    missing = [
        str(name)
        for name in tracked_below("config")
        if not fnmatch(str(name), data_files.get(f"share/ota/{name.parent}", ""))
    ]

    assert missing == []


def test_every_file_beside_the_code_is_installed(setup: configparser.ConfigParser) -> None:
    patterns = setup["options.package_data"]["*"].split(", ")

    missing = [
        str(name)
        for name in tracked_below("ota")
        if not any(fnmatch(name.name, pattern) for pattern in patterns)
    ]

    assert missing == []
