"""The documents against the tree: links lead somewhere, indexes are complete, names in the protocol exist."""

import json
import re
from pathlib import Path

import click
import pytest

from ota.cli import main as ota
from ota.cli.openapi import description
from ota.core.principal import CallerKind
from ota.sandbox.cli import main as ota_sandbox
from ota.web.scopes import scopes_of
from tests.guards.markdown import slug

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_LINK = re.compile(r"\]\((?!https?://)([^)#]*)(#[^)]*)?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_SPAN = re.compile(r"`([a-z0-9_]+)`")


def anchors(document: Path) -> set[str]:
    """The fragments that a document's headings make, in the way of GitHub."""
    headings = _HEADING.findall(document.read_text(encoding="utf-8"))
    return {slug(heading) for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = _LINK.findall(document.read_text(encoding="utf-8"))

    targets = [(document.parent / path if path else document, fragment) for path, fragment in links]
    broken = [
        f"{target.name}{fragment}"
        for target, fragment in targets
        if not target.exists() or (fragment and fragment[1:] not in anchors(target))
    ]

    assert broken == []


def test_the_index_lists_every_decision_once() -> None:
    files = {path.name for path in (ROOT / "docs/adr").glob("0*.md")}

    listed = re.findall(r"\((0[^)]+\.md)\)", (ROOT / "docs/adr/README.md").read_text(encoding="utf-8"))

    assert sorted(listed) == sorted(files)


def test_every_error_code_of_the_protocol_exists() -> None:
    table = (ROOT / "docs/protocol.md").read_text(encoding="utf-8").split("## Error codes")[1]
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "ota").rglob("*.py"))

    told = {
        code for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for code in _CODE_SPAN.findall(row)
    }
    unknown = {code for code in told if not code.startswith("card_") and f'"{code}"' not in source}

    assert len(told) > 40
    assert unknown == set()


def test_the_protocol_names_every_route() -> None:
    described = json.loads(description(ROOT / "config"))["paths"]
    told = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    both = [told.replace("{issuances,topups}", word) for word in ("issuances", "topups")]

    routes = set(re.findall(r"/v1/[a-z/{}]+", "".join(_without_names(text) for text in both)))

    assert {_without_names(path) for path in described} <= routes


@pytest.mark.parametrize(
    ("row", "kind"),
    [("wallet server", CallerKind.WALLET), ("phone", CallerKind.PHONE), ("terminal", CallerKind.TERMINAL)],
)
def test_the_protocol_tells_what_each_caller_may(row: str, kind: CallerKind) -> None:
    told = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")

    [cell] = re.findall(rf"^\| {row} \|[^|]*\| `([^`]+)`", told, re.MULTILINE)

    assert set(cell.split()) == scopes_of(kind, ())


def test_operations_tells_every_command_of_the_platform() -> None:
    told = (ROOT / "docs/operations.md").read_text(encoding="utf-8")

    untold = {name for name in commands(ota, "ota") if name not in told}

    assert untold == set()


def test_some_document_tells_every_command_of_the_sandbox() -> None:
    told = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)

    untold = {name for name in commands(ota_sandbox, "ota-sandbox") if name not in told}

    assert untold == set()


def commands(command: click.Command, name: str) -> list[str]:
    """Names of a command and those below it, of groups only what they hold."""
    if not isinstance(command, click.Group):
        return [name]
    return [each for word, below in command.commands.items() for each in commands(below, f"{name} {word}")]


def _without_names(text: str) -> str:
    """Every ``{name}`` as ``{}``: the value's name is the code's own business."""
    return re.sub(r"\{\w+\}", "{}", text)


def test_comments_cite_only_documents_that_are_there() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "ota").rglob("*.py"))

    cited = set(re.findall(r"\b([A-Z]{3,})\.md\b", source)) - {"README"}

    assert cited <= {path.stem.upper() for path in (ROOT / "docs").glob("*.md")}
    assert "CARD" in cited
