"""What a translation shares with its original in whatever language: shape, code, names, links and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sized
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path

from tests.guards.markdown import Document, Section, links, read, slug

_SPAN = re.compile(r"`([^`]+)`")
_SCOPE = re.compile(r"\b[a-z]+:[a-z]+\b")
_FIGURE = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:[.,]\d+)*")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_CODE_WORD = re.compile(r"[A-Za-z][\w.]*\w", re.ASCII)
_KEPT_IN_CODE = re.compile(r"[_.\d]|[A-Z].*[A-Z]")


def differences(original: Path, translation: Path) -> list[str]:
    """What one of two documents has and the other lacks, each with the file in which it is missing."""
    ours, theirs = read(original), read(translation)
    shape = list(_outline(ours, theirs))
    if shape:
        return shape  # further down everything would differ
    pairs = list(zip(ours.sections, theirs.sections, strict=True))
    return [
        *_introduction(ours),
        *_introduction(theirs),
        *(finding for one, other in pairs for finding in _section(ours, theirs, one, other)),
    ]


def _outline(ours: Document, theirs: Document) -> Iterator[str]:
    """Nothing if the headings' levels agree; otherwise where they part, found by what sections are about."""
    if [each.level for each in ours.sections] == [each.level for each in theirs.sections]:
        return
    parts = SequenceMatcher(None, _keys(ours), _keys(theirs)).get_opcodes()
    for _, i1, i2, j1, j2 in (part for part in parts if part[0] != "equal"):
        here = [f"{'#' * each.level} {each.title}" for each in ours.sections[i1:i2]]
        there = [f"{'#' * each.level} {each.title}" for each in theirs.sections[j1:j2]]
        yield f"headings differ: {here} in {ours.path.name}, {there} in {theirs.path.name}"


def _keys(document: Document) -> list[str]:
    return [f"{each.level} {sorted(_section_marks(document, each))}" for each in document.sections]


def _introduction(document: Document) -> Iterator[str]:
    """Readers of either language find the other at once."""
    above = "\n".join(line for section in document.sections[:2] for line in section.prose)
    if document.twin.name not in links(above):
        yield f"{document.path.name}: link to {document.twin.name} below the title is missing"


def _section(ours: Document, theirs: Document, one: Section, other: Section) -> Iterator[str]:
    where = (f"{ours.path.name} «{one.title}»", f"{theirs.path.name} «{other.title}»")
    counts: list[tuple[str, Sized, Sized]] = [
        ("list item", one.items, other.items),
        ("table row", one.rows, other.rows),
        ("code block", one.blocks, other.blocks),
    ]
    for kind, here, there in counts:
        if len(here) != len(there):
            yield f"{where[len(here) > len(there)]}: a {kind} is missing ({len(here)} and {len(there)})"
    running = ([*one.prose, *one.items], [*other.prose, *other.items])
    yield from _names(where, _marks(ours, running[0]), _marks(theirs, running[1]))
    if len(one.rows) != len(other.rows):
        yield from _names(where, _marks(ours, one.rows), _marks(theirs, other.rows))
        return
    for row, (left, right) in enumerate(zip(one.rows, other.rows, strict=True), 1):
        at = (f"{where[0]} row {row}", f"{where[1]} row {row}")
        if left.count("|") != right.count("|"):
            yield f"{at[1]}: a cell is missing or too many"
        yield from _names(at, _marks(ours, [left]), _marks(theirs, [right]))
    for block, (lines, translated) in enumerate(zip(one.blocks, other.blocks, strict=False), 1):
        yield from _code(f"{where[1]} code block {block}", lines, translated)


def _section_marks(document: Document, section: Section) -> set[str]:
    return _marks(document, [*section.prose, *section.items, *section.rows])


def _names(where: tuple[str, str], ours: set[str], theirs: set[str]) -> Iterator[str]:
    yield from (f"{where[1]}: {mark} is missing" for mark in sorted(ours - theirs))
    yield from (f"{where[0]}: {mark} is missing" for mark in sorted(theirs - ours))


def _marks(document: Document, lines: list[str]) -> set[str]:
    """What stands in the lines and is not translated."""
    text = "\n".join(lines)
    plain = re.sub(r"\]\([^)]*\)", "]", _SPAN.sub(" ", text))
    return {
        *(f"`{span}`" for span in _SPAN.findall(text)),
        *_SCOPE.findall(plain),
        *_FIGURE.findall(plain),
        *(target for link in links(text) if (target := _target(document, link)) is not None),
    }


def _target(document: Document, link: str) -> str | None:
    """A link without its language; None for the one that leads to the twin."""
    name, _, fragment = link.partition("#")
    target = Document((document.path.parent / name).resolve() if name else document.path, [])
    if target.path == document.twin and not fragment:
        return None
    if not target.twin.exists():
        return f"link to {link}"
    titles = [slug(section.title) for section in read(target.path).sections]
    heading = f", heading {titles.index(fragment)}" if fragment in titles else ""
    own_language = target.is_translation == document.is_translation
    return f"link to {target.original_name}{heading}{'' if own_language else ' in the other language'}"


def _code(where: str, ours: list[str], theirs: list[str]) -> Iterator[str]:
    """Lines of code are the same, but for comments and for what is said in Chinese around names."""
    for line, other in zip_longest(ours, theirs):
        if line is None or other is None:
            yield f"{where}: a line is missing or too many: {line or other}"
        elif _bare(line) != _bare(other) and (
            not _CHINESE.search(_bare(other)) or _kept(line) != _kept(other)
        ):
            yield f"{where}: {_bare(line)!r} reads {_bare(other)!r}"


def _bare(line: str) -> str:
    return re.split(r" {2,}# ", line)[0].rstrip()


def _kept(line: str) -> list[str]:
    return sorted(word for word in _CODE_WORD.findall(_bare(line)) if _KEPT_IN_CODE.search(word))
