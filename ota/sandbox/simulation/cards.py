"""Cards on virtual elements, personalised by a strange factory, and the truth about what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Final

from ota.card.files import Basic, Interoperability
from ota.cities.profile import City
from ota.core.values import CardNumber
from ota.sandbox.element import (
    Algorithm,
    DomainProfile,
    Element,
    KeySet,
    Options,
    TornCard,
    purse_crypto,
)
from ota.sandbox.element.application import SELECTABLE, Origin
from ota.sandbox.element.card_os import PACKAGE, TUNION_MODULE
from ota.sandbox.element.content import Request
from ota.sandbox.element.factory import ISSUER_DOMAIN, OUR_DOMAIN
from ota.sandbox.element.keyring import KEY_SET_ROLES, Keyring, Role
from ota.sandbox.element.purse import Pending, State
from ota.sandbox.element.tunion import TUnion
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.simulation.masters import FIRST, SECOND, card_key

_NOT_USED: Final = KeySet(0x30, bytes(16), bytes(range(16)), bytes(range(16)))
_ISSUED: Final = date(2026, 1, 1)
_EXPIRES: Final = date(2036, 1, 1)
_OWN_PURSE: Final = b""
_TAIL: Final = bytes(2)
_CREDIT: Final = bytes.fromhex("80520000")
_DEBIT: Final = bytes.fromhex("80540100")
_KEY_SETS: Final = {0xB0A0: Algorithm.TDES, 0xB1A0: Algorithm.SM4}
_VERSIONS: Final = bytes.fromhex("00010401")


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that a card took: the counter before it, and what CREDIT FOR LOAD and its initialisation said."""

    counter: int
    amount_fen: int
    random: str
    terminal: str
    at: str


@dataclass
class Card:
    """One card and everything that really happened to it. A card that is yet to be issued has no number."""

    city: City
    element: Element
    number: CardNumber | None = None
    credits: list[Credit] = field(default_factory=list)
    others: list[Credit] = field(default_factory=list)
    """What somebody else loaded."""
    debited_fen: int = 0
    least_version: int = FIRST
    """Of its keys: what was given to new cards when it was ordered."""
    at_desk: bool = False
    """Whether it lies at the service desk, where nobody else reaches it."""
    readings: list[tuple[str, bytes]] = field(default_factory=list)
    """Answers to INITIALIZE FOR LOAD that somebody kept: terminal number and amount asked, and the 16 bytes."""

    @property
    def digits(self) -> str:
        """The 19 digits; empty before there are any."""
        return self.number.digits if self.number is not None else ""

    @property
    def applet(self) -> TUnion | None:
        """The T-Union application, if it is installed."""
        installed = self.element._registry.applets  # noqa: SLF001  the truth looks inside of the chip
        return next((found for found in installed if isinstance(found, TUnion)), None)

    @property
    def state(self) -> State:
        """The durable state of the purse; an element without one holds nothing."""
        applet = self.applet
        return applet.purse.state if applet is not None else State()

    @property
    def keyring(self) -> Keyring | None:
        """The keys of its purse."""
        applet = self.applet
        return applet.purse.keys if applet is not None else None

    @property
    def held_fen(self) -> int:
        """What the card holds of the platform's loads, and what was spent. It began empty."""
        return self.state.balance + self.debited_fen - sum(credit.amount_fen for credit in self.others)

    def lay_down(self) -> None:
        """Leave it at the service desk; whatever was under way with it is over."""
        self.element.reset()
        self.at_desk = True

    def transmit(self, apdu: bytes) -> bytes:
        """Hand a command over and watch what it does; raises TornCard."""
        if self.at_desk:
            raise TornCard
        before, applet = self.state, self.applet
        pending = applet.purse.pending if applet is not None else None
        try:
            return self.element.transmit(apdu)
        finally:
            if apdu.startswith(_CREDIT) and pending is not None and self.state != before:
                self.credits.append(_credit(pending, apdu))
            if apdu.startswith(_DEBIT):
                self.debited_fen += before.balance - self.state.balance


def _credit(pending: Pending, apdu: bytes) -> Credit:
    at = apdu[5:12].hex()
    return Credit(pending.counter, pending.amount, pending.random.hex(), pending.terminal.hex(), at)


def blank_card(city: City, seed: str, scp: str, memory: int | None) -> Card:
    """An element with nothing on it and so many bytes of room (None: plenty), for a card of a city."""
    return Card(city, blank_element(Options(seed=seed, scp=scp, i=DEFAULT_I[scp], memory=memory)))


def leave_behind(card: Card, other: CardNumber, *, finished: bool) -> None:
    """Put on an element what another order left there: an application without content, or a whole card without money."""
    applet = _installed(card.element, card.city, other)
    if finished:
        _personalise(applet, card.city, other)


def make_card(city: City, serial: int, algorithm: Algorithm, seed: str) -> Card:
    """A card that the platform has never seen, with the sandbox's published masters."""
    number = city.number(serial)
    options = Options(seed=seed, purse_algorithm=algorithm)
    unused = bytes(10)
    element = Element(
        DomainProfile(ISSUER_DOMAIN, unused, _NOT_USED), DomainProfile(OUR_DOMAIN, unused, _NOT_USED), options
    )
    _personalise(_installed(element, city, number), city, number)
    return Card(city, element, number)


def renew(card: Card) -> None:
    """Give a card the second version of all its keys, as its city does before the platform hears of it."""
    ring, path = card.keyring, card.city.key_path(_numbered(card))
    for algorithm in Algorithm:
        for role in KEY_SET_ROLES:
            if ring is not None:
                ring.write(role, algorithm, card_key(SECOND, role.value, algorithm, path), SECOND)


def has_keys_of_one_version(card: Card) -> bool:
    """Whether every key of the card is what its number and the version that it states lead to."""
    ring, path = card.keyring, card.city.key_path(_numbered(card))
    return ring is not None and all(
        ring.by_role(role, algorithm).value == key
        for algorithm in Algorithm
        for role, key in _keys(ring.by_role(Role.LOAD, algorithm).version, algorithm, path).items()
    )


def purchase_key(card: Card, version: int) -> bytes:
    """What the gates know of the card: keys of every version that there is."""
    return _key_of(card, "purchase", version)


def load_key(card: Card, version: int) -> bytes:
    """What others know who load the card."""
    return _key_of(card, "load", version)


def _key_of(card: Card, role: str, version: int) -> bytes:
    path = card.city.key_path(_numbered(card))
    return card_key(version, role, card.element.options.purse_algorithm, path)


def _installed(element: Element, city: City, number: CardNumber) -> TUnion:
    aid = bytes.fromhex("A0000006320101055800") + bytes.fromhex(city.prefix_of(number).issuer_code) + _TAIL
    origin = Origin(PACKAGE, TUNION_MODULE, OUR_DOMAIN)
    platform, registry = element._platform, element._registry  # noqa: SLF001  the factory works inside of the chip
    applet = TUnion(Request(aid, bytes(3), _OWN_PURSE, origin, platform, registry))
    registry.applications.append(applet)
    applet.life_cycle = SELECTABLE
    return applet


def _personalise(applet: TUnion, city: City, number: CardNumber) -> None:
    issuer = city.issuer_id(number)
    files = {
        0xA002: _VERSIONS,
        0xB001: Basic(issuer, 0x01, 0x01, number, _ISSUED, _EXPIRES).to_bytes(),
        0xB003: Interoperability(city.province_code, city.code, interoperable=True, card_kind=1).to_bytes(),
    }
    for dgi, content in files.items():
        applet.store(dgi, content, None)
    for dgi, algorithm in _KEY_SETS.items():
        applet.store(dgi, _key_set(algorithm, city.key_path(number)), lambda key: key)
    applet.finish_personalisation()


def _numbered(card: Card) -> CardNumber:
    assert card.number is not None  # noqa: S101  a card that has keys has a number
    return card.number


@cache
def _keys(version: int, algorithm: Algorithm, path: tuple[bytes, ...]) -> Mapping[Role, bytes]:
    return {role: card_key(version, role.value, algorithm, path) for role in KEY_SET_ROLES}


@cache
def _key_set(algorithm: Algorithm, path: tuple[bytes, ...]) -> bytes:
    """All keys with their check values, in the clear: this factory needs no channel."""
    keys = _keys(FIRST, algorithm, path).values()
    return b"".join(key + purse_crypto.check_value(algorithm, key) for key in keys)
