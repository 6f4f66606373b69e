"""What is installed is pinned, hashed, explained and free of the GPL."""

from __future__ import annotations

import configparser
import re
from importlib.metadata import PackageMetadata, metadata

import pytest

from tests.guards.source import ROOT

FOLDER = ROOT / "requirements"
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)
INSTALLERS = {"pip", "setuptools"}


def pins(kind: str) -> dict[str, str]:
    return {name: version for name, version, _ in PIN.findall(_lock(kind))}


def asked_for(kind: str) -> set[str]:
    lines = (FOLDER / f"{kind}.in").read_text(encoding="utf-8").splitlines()
    return {re.split(r"[\[=<>~]", line)[0].strip() for line in lines if line and line[0] not in "#-"}


def licences(about: PackageMetadata) -> str:
    fields = [*about.get_all("License-Expression", []), *(text[:60] for text in about.get_all("License", []))]
    return " ".join(
        [*fields, *(line for line in about.get_all("Classifier", []) if line.startswith("License"))]
    )


def is_gpl(text: str) -> bool:
    return re.search(r"(?<!L)\bA?GPL|(?<!Lesser )General Public License", text) is not None


@pytest.mark.parametrize("kind", ["runtime", "test"])
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_reason(kind: str) -> None:
    rest = PIN.sub("", _lock(kind))

    strange = [line for line in rest.splitlines() if line and not re.match(r"    (--hash=sha256:|# )", line)]
    assert strange == []


def test_tests_run_with_the_packages_that_are_shipped() -> None:
    runtime, test = pins("runtime"), pins("test")

    assert runtime.items() <= test.items()


def test_the_distribution_asks_for_what_the_lock_pins() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")

    asked = {re.split(r"[\[ ]", line)[0] for line in setup["options"]["install_requires"].split("\n") if line}

    assert asked == asked_for("runtime") - INSTALLERS


@pytest.mark.parametrize("kind", ["runtime", "test"])
def test_every_direct_dependency_is_explained(kind: str) -> None:
    explained = re.findall(
        r"^\| ([a-z0-9-]+)", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert asked_for(kind) <= set(explained)


def test_nothing_that_is_shipped_is_under_the_gpl() -> None:
    needed = {
        name for name, _, marker in PIN.findall(_lock("runtime")) if "python_full_version" not in marker
    }

    under_gpl = [name for name in sorted(needed) if is_gpl(licences(metadata(name)))]

    assert under_gpl == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
    ],
)
def test_the_gpl_is_told_from_the_lgpl(text: str, expected: bool) -> None:
    assert is_gpl(text) is expected


def _lock(kind: str) -> str:
    return (FOLDER / f"{kind}.lock").read_text(encoding="utf-8")
