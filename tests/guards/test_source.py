"""Nothing unfinished, no secret and no path of a machine is in the repository, and every test can fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guards import source
from tests.guards.source import INDEX, MACHINE, ROOT, SECRET, UNFINISHED

# The sandbox's published test credentials; `environment = "production"` refuses them.
PUBLISHED = ("ota/sandbox/", "docs/")

Finder = Callable[[str], list[str]]


def findings(files: list[Path], find: Finder) -> list[str]:
    found = (
        (path.relative_to(ROOT), line) for path in files for line in find(path.read_text(encoding="utf-8"))
    )
    return [f"{path}:{line}" for path, line in found]


def lines_with(pattern: re.Pattern[str]) -> Finder:
    return lambda text: source.lines_with(pattern, text)


def test_no_line_is_unfinished() -> None:
    files = source.python_files("ota", "tests", "tools", "benchmarks", "chaos")

    assert findings(files, lines_with(UNFINISHED)) == []


def test_no_file_names_a_machine_or_a_package_index() -> None:
    files = source.tracked_files()

    assert findings(files, lines_with(MACHINE)) + findings(files, lines_with(INDEX)) == []


def test_no_file_holds_a_secret() -> None:
    files = [p for p in source.tracked_files() if not p.relative_to(ROOT).as_posix().startswith(PUBLISHED)]

    assert findings(files, lines_with(SECRET)) == []


def test_no_function_is_empty() -> None:
    assert findings(source.python_files("ota", "tools", "chaos"), source.empty_functions) == []


def test_every_test_asserts_something() -> None:
    assert findings(source.python_files("tests"), source.tests_without_assertion) == []


def test_no_test_excuses_itself() -> None:
    assert findings(source.python_files("tests"), source.excuses) == []


PLANTED = [
    (lines_with(UNFINISHED), "x = 1  # TO" + "DO later"),
    (lines_with(UNFINISHED), "raise NotImplemented" + "Error"),
    (lines_with(MACHINE), "open('/ro" + "ot/keys')"),
    (lines_with(MACHINE), "cd /ho" + "me/someone"),
    (lines_with(INDEX), "--index-url https://PY" + "PI.org/simple"),
    (lines_with(SECRET), "-----BEGIN EC PRIVATE " + "KEY-----"),
    (lines_with(SECRET), '{"kty":"EC","' + 'd": "' + "A" * 43 + '"}'),
    (source.empty_functions, "def settle() -> None:\n    ..."),
    (source.empty_functions, 'class Books:\n    def settle(self) -> None:\n        """Settle."""'),
    (source.tests_without_assertion, "def test_it_runs():\n    run()"),
    (source.excuses, "import pytest\npytest.sk" + "ip('later')"),
    (source.excuses, "@pytest.mark.xf" + "ail\ndef test_it(): assert 0"),
]


@pytest.mark.parametrize(("find", "text"), PLANTED)
def test_a_planted_fault_is_found(find: Finder, text: str) -> None:
    assert len(find(text)) == 1


@pytest.mark.parametrize(
    ("find", "text"),
    [
        (lines_with(MACHINE), "https://example.org/home/page and {base}/home/x"),
        (source.empty_functions, "class Hsm(Protocol):\n    def kcv(self) -> bytes: ..."),
        (source.empty_functions, "class Hsm:\n    @abstractmethod\n    def kcv(self) -> bytes: ..."),
        (
            source.tests_without_assertion,
            "def test_it():\n    with pytest.raises(ValueError):\n        run()",
        ),
    ],
)
def test_what_is_meant_is_left_alone(find: Finder, text: str) -> None:
    assert find(text) == []
