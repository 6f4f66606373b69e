"""Checks files of cryptographic vectors against the product's own code; nothing is recomputed here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ota.core.errors import OtaError
from ota.sandbox.vectors.channels import check_scp02, check_scp03
from ota.sandbox.vectors.derivations import check_derivation
from ota.sandbox.vectors.epurse import check_diversification, check_load, check_secure_messaging
from ota.sandbox.vectors.reading import Failure, Vector

__all__ = ["KINDS", "Result", "check_file"]

KINDS: Final[Mapping[str, Callable[[Vector], None]]] = {
    "load": check_load,
    "diversify": check_diversification,
    "secure_messaging": check_secure_messaging,
    "scp02": check_scp02,
    "scp03": check_scp03,
    "kdf": check_derivation,
}
"""The sections of a file and who checks them."""


class Result(NamedTuple):
    """One vector's outcome; ``why`` says what differed or could not be read, and is empty when it passed."""

    name: str
    kind: str
    passed: bool
    why: str


def check_file(path: Path) -> list[Result]:
    """Check every vector of a file. What cannot be read or is not known counts as failed, never as a traceback."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as problem:
        return [_failed(path.name, "file", f"cannot be read: {problem.strerror}")]
    except (ValueError, RecursionError):
        return [_failed(path.name, "file", "is not JSON")]
    if not isinstance(content, dict):
        return [_failed(path.name, "file", "expected an object with one list of vectors per kind")]
    results = [result for kind, section in content.items() for result in _check_section(kind, section)]
    return results or [_failed(path.name, "file", "holds no vectors")]


def _check_section(kind: str, section: object) -> list[Result]:
    if not isinstance(section, list):
        return [_failed(kind, kind, "expected a list of vectors")]
    return [_check_vector(kind, number, vector) for number, vector in enumerate(section)]


def _check_vector(kind: str, number: int, content: object) -> Result:
    name = f"{kind}[{number}]"
    if not isinstance(content, dict):
        return _failed(name, kind, "expected an object")
    if isinstance(content.get("name"), str):
        name = content["name"]
    if kind not in KINDS:
        return _failed(name, kind, "this kind of vector is not known")
    vector = Vector(content)
    try:
        KINDS[kind](vector)
        vector.finish()
    except Failure as failure:
        return _failed(name, kind, str(failure))
    except OtaError as problem:
        return _failed(name, kind, f"{problem.problem_code}: {problem}")
    return Result(name, kind, passed=True, why="")


def _failed(name: str, kind: str, why: str) -> Result:
    return Result(name, kind, passed=False, why=why)
