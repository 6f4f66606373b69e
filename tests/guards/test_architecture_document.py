"""docs/architecture.md against the tree: every folder is explained, and the layers are those that are enforced."""

from __future__ import annotations

import re
from collections.abc import Iterable
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.guards.markdown import read
from tests.guards.source import ROOT, tracked_files

DOCUMENT = ROOT / "docs/architecture.md"


def folders_at_the_top(files: Iterable[Path]) -> set[str]:
    """Folders that git tracks, without those of tools."""
    tops = {path.relative_to(ROOT).parts[0] for path in files if path.parent != ROOT}
    return {f"{top}/" for top in tops if not top.startswith(".")}


def parts_of_the_package(files: Iterable[Path]) -> set[str]:
    """Packages and modules directly in `ota`."""
    package = ROOT / "ota"
    parts = {path.relative_to(package).parts[0] for path in files if path.is_relative_to(package)}
    return {part.removesuffix(".py") for part in parts} - {"__init__", "py.typed"}


def explained(document: Path) -> set[str]:
    """Names in the first cells of the tables about folders."""
    [house] = [section for section in read(document).sections if section.title == "The house"]
    return {name for row in house.rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def drawn(document: Path) -> list[set[str]]:
    """The layers as the document shows them, from the top."""
    [layers] = [section for section in read(document).sections if section.title == "Who may import whom"]
    return [set(line.split(" | ")) for line in layers.blocks[0][1:]]


def enforced() -> list[set[str]]:
    """The layers of import-linter's contract, from the top."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    return [set(re.findall(r"\w+", line)) for line in lines if line]


def test_every_folder_is_explained() -> None:
    files = tracked_files()

    unexplained = (folders_at_the_top(files) | parts_of_the_package(files)) - explained(DOCUMENT)

    assert unexplained == set()


def test_what_is_explained_is_there() -> None:
    files = tracked_files()

    gone = explained(DOCUMENT) - folders_at_the_top(files) - parts_of_the_package(files)

    assert gone == set()


def test_the_layers_are_those_that_are_enforced() -> None:
    assert drawn(DOCUMENT) == enforced()


@pytest.mark.parametrize(
    ("line", "fault"),
    [("| `ledger` |", "| ledger |"), ("| `config/` |", "| `conf/` |")],
    ids=["a package without a name", "a folder under another name"],
)
def test_a_folder_that_is_not_explained_is_found(tmp_path: Path, line: str, fault: str) -> None:
    planted = tmp_path / "architecture.md"
    planted.write_text(DOCUMENT.read_text(encoding="utf-8").replace(line, fault), encoding="utf-8")

    lost = explained(DOCUMENT) - explained(planted)

    assert lost == {line.strip("|` ")}


def test_a_layer_that_is_drawn_elsewhere_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "architecture.md"
    text = DOCUMENT.read_text(encoding="utf-8")
    planted.write_text(text.replace("\nhsm_adapter\ncard\n", "\ncard\nhsm_adapter\n"), encoding="utf-8")

    layers = drawn(planted)

    assert layers != enforced()
