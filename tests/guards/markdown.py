"""A document as the guards read it: sections with their headings, prose, lists, tables and code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

TRANSLATED = ".zh-CN.md"

_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")
_RULE = re.compile(r"^\|(?:\s*:?-+:?\s*\|)+$")
_LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")


@dataclass(slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of any level."""

    level: int
    title: str
    prose: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    blocks: list[list[str]] = field(default_factory=list)
    """Each with its opening fence, so that the language counts."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file and its sections; the first one is what stands above the first heading."""

    path: Path
    sections: list[Section]

    @property
    def is_translation(self) -> bool:
        """Whether it is the Chinese one of two."""
        return self.path.name.endswith(TRANSLATED)

    @property
    def original_name(self) -> str:
        """The file's name without its language."""
        return self.path.name.removesuffix(TRANSLATED).removesuffix(".md") + ".md"

    @property
    def twin(self) -> Path:
        """Where the same document in the other language is, or would be."""
        name = self.original_name
        return self.path.with_name(name if self.is_translation else name.removesuffix(".md") + TRANSLATED)


def slug(heading: str) -> str:
    """The fragment that leads to a heading, in the way of GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(text: str) -> list[str]:
    """Targets of links inside the project, with their fragments."""
    return _LINK.findall(text)


def read(path: Path) -> Document:
    """The document in a file."""
    sections, fence = [Section(0, "")], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = not fence
            if fence:
                sections[-1].blocks.append([line])
        elif fence:
            sections[-1].blocks[-1].append(line)
        elif heading := _HEADING.match(line):
            sections.append(Section(len(heading[1]), heading[2]))
        else:
            _put(sections[-1], line)
    return Document(path, sections)


def _put(section: Section, line: str) -> None:
    if line.startswith("|"):
        if not _RULE.match(line):
            section.rows.append(line)
    elif item := _ITEM.match(line):
        section.items.append(line[item.end() :])
    elif line:
        section.prose.append(line)
