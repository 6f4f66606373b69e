"""A card product as data: what stands on the element, what is written into it and how its purse is driven.

`ota.card.product_file` reads one from config/cards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ota.card.keys import Algorithm, KeyRole
from ota.card.problems import MalformedAnswer
from ota.card.status import StatusPattern
from ota.card.template import Template
from ota.core.values import Fen


class PurseSharing(StrEnum):
    """Whether both applications look at one purse or keep one each."""

    SHARED = "shared"
    OWN = "own"


class ProveMode(StrEnum):
    """Which counter GET TRANSACTION PROVE wants for a load (CARD.md 1.6: vendors differ)."""

    NEVER = "never"
    BEFORE = "before"
    AFTER = "after"
    BOTH = "both"

    def counters(self, atc: int) -> tuple[int, ...]:
        """The counters to ask by, in order, for a load whose INITIALIZE FOR LOAD returned this one."""
        following = (atc + 1) & 0xFFFF
        return {
            ProveMode.NEVER: (),
            ProveMode.BEFORE: (atc,),
            ProveMode.AFTER: (following,),
            ProveMode.BOTH: (atc, following),
        }[self]


@dataclass(frozen=True, slots=True)
class Title:
    """A name for people."""

    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class PlainGroup:
    """A data grouping (DGI) that is sent as it is: a file, or a template of FCI data."""

    id: bytes
    content: Template


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """A data grouping (DGI) of keys: each one enciphered for the card, with its check value, in this order."""

    id: bytes
    algorithm: Algorithm
    roles: tuple[KeyRole, ...]


Group = PlainGroup | KeyGroup


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of an applet module under its own AID."""

    name: str
    aid: Template
    module: bytes
    privileges: bytes
    parameters: Template


@dataclass(frozen=True, slots=True)
class Application:
    """Instances that belong together; what is personalised goes to the first, the others are further names of it."""

    name: str
    title: Title
    package: bytes
    instances: tuple[Instance, ...]
    groups: tuple[Group, ...]

    @property
    def main(self) -> Instance:
        """The instance that is personalised."""
        return self.instances[0]


@dataclass(frozen=True, slots=True)
class Purse:
    """How the purse is loaded and what it can hold."""

    sharing: PurseSharing
    select: Template
    """The AID, or its beginning, that is selected before a load."""
    key_index: int
    algorithms: Mapping[int, Algorithm]
    """The algorithm identifiers that a card may state."""
    ceiling: Fen
    log_files: tuple[int, ...]
    """Short file identifiers of the journals in which loads may stand."""
    prove: ProveMode
    pin: str | None
    """Digits to be verified before Lingnantong's INITIALIZE FOR LOAD; None where the card asks for none."""

    def algorithm(self, algorithm_id: int) -> Algorithm:
        """The algorithm that a card's identifier names; one that nobody configured is never guessed."""
        try:
            return self.algorithms[algorithm_id]
        except KeyError:
            known = ", ".join(f"{known:02X}" for known in self.algorithms)
            raise MalformedAnswer("algorithm identifier", f"one of {known}") from None


@dataclass(frozen=True, slots=True)
class Reading:
    """A command that a reader sends after personalisation, and what it must find.

    The answer, or its TLV element down ``path``, must be the first ``length`` bytes of ``expected``.
    """

    name: str
    command: Template
    status: StatusPattern
    path: tuple[int, ...]
    expected: Template
    length: int


@dataclass(frozen=True, slots=True)
class Product:
    """A card product; ``name`` is that of its file."""

    name: str
    title: Title
    minimum_level: int
    """The least security level (GP Card Spec 2.3.1 table 10-1) under which it may be personalised."""
    max_store_data: int
    """Data bytes of one STORE DATA, before the channel adds its own."""
    validity_years: int
    purse: Purse
    applications: tuple[Application, ...]
    delete_order: tuple[str, ...]
    """Names of instances, in the order in which the element can let go of them."""
    readings: tuple[Reading, ...]

    @property
    def instances(self) -> Iterator[tuple[Application, Instance]]:
        """Every instance with its application, in the order of installation."""
        return (
            (application, instance) for application in self.applications for instance in application.instances
        )

    @property
    def key_groups(self) -> tuple[KeyGroup, ...]:
        """Every key set of the product."""
        return tuple(
            group
            for application in self.applications
            for group in application.groups
            if isinstance(group, KeyGroup)
        )

    def expires(self, issued: date) -> date:
        """The last day of a card that is issued on this day; the 28th stands in for a 29th of February."""
        year = issued.year + self.validity_years
        try:
            return issued.replace(year=year)
        except ValueError:
            return issued.replace(year=year, day=28)
