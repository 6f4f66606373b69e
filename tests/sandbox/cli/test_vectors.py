"""``ota-sandbox vectors``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sandbox.cli.conftest import run

VECTORS = Path(__file__).parents[2] / "vectors"


def test_every_vector_of_the_project_passes() -> None:
    result = run("vectors", *map(str, sorted(VECTORS.glob("*.json"))))

    *lines, last = result.stdout.splitlines()
    assert result.exit_code == 0
    assert last == f"{len(lines)} passed, 0 failed"
    assert all(line.startswith("passed ") for line in lines)
    assert len(lines) > 20


def test_one_wrong_vector_fails_the_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"riddles": [{"name": "what"}]}), encoding="utf-8")

    result = run("vectors", str(file), str(VECTORS / "epurse.json"))

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("failed mine.json riddles")
    assert result.stdout.splitlines()[-1].endswith("passed, 1 failed")


def test_the_help_teaches() -> None:
    result = run("--help")

    for command in ("demo", "element", "phone", "terminal", "cardkeys", "vectors"):
        assert command in result.stdout
