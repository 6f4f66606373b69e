"""What the platform knows about one city: a frozen picture of its file in config/cities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ota.card.keys import Algorithm, KeyRole
from ota.card.perso import CardValues
from ota.card.product import Product, ProveMode
from ota.card.template import Template
from ota.cities.errors import (
    AmountOutsideLimits,
    BalanceOverCeiling,
    CardKeyUnknown,
    CardOutsideProvince,
    CityNotLive,
)
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, CityCode, Fen, TerminalNumber
from ota.hsm_adapter.keys import CardKey, KeyRef
from ota.hsm_adapter.routing import PROVINCE

CARD_DIGITS = 19
IIN_DIGITS = 8


class TerminalNumberMode(StrEnum):
    """What stands in the terminal number of a load that the platform drives (MONEY.md, decision protocol)."""

    NONCE = "nonce"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class IssuerPrefix:
    """The first digits of card numbers and the institution that issues them."""

    prefix: str
    """8 to 14 digits: an IIN, or a block of one."""
    issuer_code: str
    """8 digits: institution number, then the city's clearing code (CARD.md 3.2)."""
    issues: bool
    """Whether new cards get numbers from here; true for exactly one prefix of a city."""
    within: str | None = None
    """The shorter prefix, of this or another city, that this block is carved out of."""


@dataclass(frozen=True, slots=True)
class NumberLayout:
    """How a new card number is put together after its prefix: a serial, then a suffix."""

    serial_digits: int
    suffix: str


@dataclass(frozen=True, slots=True)
class Lingnantong:
    """What the Lingnantong application's EF15 says about the city (CARD.md 3.8)."""

    number_prefix: str
    """6 digits before the 10-digit number, so that 8 BCD bytes are full."""
    area: int
    """The area byte, offset 49."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The amounts that the city allows."""

    min_load: Fen
    max_load: Fen
    balance_ceiling: Fen

    def check_load(self, amount: Fen, balance: Fen | None = None) -> None:
        """Refuse a load outside the limits, or one that would overfill a purse with a known balance."""
        if not self.min_load <= amount <= self.max_load:
            raise AmountOutsideLimits(self.min_load.amount, self.max_load.amount)
        if balance is not None and balance.amount + amount.amount > self.balance_ceiling.amount:
            raise BalanceOverCeiling(self.balance_ceiling.amount)


@dataclass(frozen=True, slots=True)
class LoadRules:
    """How loads of this city's cards are driven and judged."""

    terminal_number: TerminalNumberMode
    fixed_number: TerminalNumber | None
    """The issuer's terminal number where it is fixed, else None."""
    foreign_loads: bool
    """Whether others may load the same purse, so that a counter alone is no proof of our load."""
    prove: ProveMode | None
    """Overrides the card product's way of asking for a TAC; None keeps it."""


@dataclass(frozen=True, slots=True)
class KeyVersions:
    """The versions of one generation of keys: the load key that a card states, and those that go with it."""

    load: int
    others: int


@dataclass(frozen=True, slots=True)
class CityKeys:
    """Which keys open the city's cards: names and public factors only."""

    issuer: str
    """The owner's name of the master keys inside the HSM."""
    issuer_id: Template
    """The 8-byte issuer id of EF15, from the issuer code."""
    path: tuple[Template, ...]
    """The 8-byte diversification factors, outermost first."""
    default_algorithm: Algorithm
    versions: Mapping[Algorithm, tuple[KeyVersions, ...]]
    """Generations per algorithm; new cards get the first."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public ES256 key of a city: its id and its point as the JWK members x and y (RFC 7518 6.2.1)."""

    id: str
    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Host:
    """A city's own platform (PROTOCOL.md, city hosts).

    Of a self-issuing city: it answers for the city's cards. Of another city: it asks this platform about them.
    """

    url: str
    platform_key_id: str
    """The key with which this platform signs its messages to the city."""
    city_keys: tuple[HostKey, ...]
    """The keys with which the city signs; more than one while they rotate."""
    connect_timeout_s: int
    read_timeout_s: int


@dataclass(frozen=True, slots=True)
class City:
    """One city: its codes, its card numbers, its keys and its rules."""

    name: str
    """The name of its file: pinyin, lower case."""
    name_en: str
    name_zh: str
    brand: str
    code: CityCode
    """Clearing area code, GB/T 13497: what card files carry."""
    province_code: str
    division_code: str
    """GB/T 2260, for people and forms only."""
    phone_area: str
    batch: int
    """In which of the three batches of 2018 the city joined."""
    live: bool
    self_issuing: bool
    product: str
    """The card product of new cards: a file in config/cards."""
    prefixes: tuple[IssuerPrefix, ...]
    number_layout: NumberLayout
    lingnantong: Lingnantong
    limits: Limits
    issuance_fee: Fen
    load: LoadRules
    keys: CityKeys
    host: Host | None

    @property
    def authority(self) -> str:
        """The name of who answers for loads of the city's cards: its own host, or the province."""
        return self.name if self.self_issuing else PROVINCE

    @property
    def issuing(self) -> IssuerPrefix:
        """The prefix that new cards are issued from."""
        return next(prefix for prefix in self.prefixes if prefix.issues)

    def require_live(self) -> City:
        """This city, or CityNotLive when nothing new may start here."""
        if not self.live:
            raise CityNotLive(self.name_en, self.name_zh)
        return self

    def number(self, serial: int) -> CardNumber:
        """The card number of a serial, 0 upwards, under the issuing prefix; raises InvalidValue when it is full."""
        digits = f"{serial:0{self.number_layout.serial_digits}d}"
        if serial < 0 or len(digits) > self.number_layout.serial_digits:
            raise InvalidValue("serial", f"0 to {10**self.number_layout.serial_digits - 1}")
        return CardNumber(self.issuing.prefix + digits + self.number_layout.suffix)

    def prefix_of(self, card: CardNumber) -> IssuerPrefix:
        """The longest prefix of this city that the number starts with; raises CardOutsideProvince."""
        fitting = [prefix for prefix in self.prefixes if card.digits.startswith(prefix.prefix)]
        if not fitting:
            raise CardOutsideProvince
        return max(fitting, key=lambda prefix: len(prefix.prefix))

    def issuer_id(self, card: CardNumber) -> bytes:
        """The 8-byte issuer id that stands in the card's EF15."""
        return self.keys.issuer_id.render({"issuer_code": bytes.fromhex(self.prefix_of(card).issuer_code)})

    def key_path(self, card: CardNumber) -> tuple[bytes, ...]:
        """The public 8-byte factors that lead from a master key to this card's key, outermost first."""
        values = {
            "issuer_id": self.issuer_id(card),
            "issuer_code": bytes.fromhex(self.prefix_of(card).issuer_code),
            "province": bytes.fromhex(self.province_code),
            "city": bytes.fromhex(self.code.code),
            "card_factor": card.factor,
            "lnt_number": self.lingnantong_number(card),
        }
        return tuple(factor.render(values) for factor in self.keys.path)

    @property
    def newest_key_versions(self) -> Mapping[Algorithm, int]:
        """The load key's version of new cards, per algorithm."""
        return {algorithm: generations[0].load for algorithm, generations in self.keys.versions.items()}

    def card_values(
        self, card: CardNumber, product: Product, issued: date, load_key_versions: Mapping[Algorithm, int]
    ) -> CardValues:
        """What is written into a new card of this city that is issued on this day (local time)."""
        return CardValues(
            card_no=card,
            issuer_id=self.issuer_id(card),
            issuer_code=self.prefix_of(card).issuer_code,
            province=self.province_code,
            city=self.code,
            lnt_number=self.lingnantong_number(card),
            area=self.lingnantong.area,
            issued=issued,
            expires=product.expires(issued),
            load_key_versions=load_key_versions,
        )

    def lingnantong_number(self, card: CardNumber) -> bytes:
        """The 8 BCD bytes of the Lingnantong number that is embedded in the card number (CARD.md 3.6, 3.8)."""
        return bytes.fromhex(self.lingnantong.number_prefix + card.digits[IIN_DIGITS : IIN_DIGITS + 10])

    def key_version(self, role: KeyRole, algorithm: Algorithm, stated: int | None = None) -> int:
        """The version of a card key: of new cards, or of a card that states the version of its load key.

        Raises CardKeyUnknown when the city has no such algorithm or no such stated version.
        """
        for generation in self.keys.versions.get(algorithm, ()):
            if stated in {None, generation.load}:
                return generation.load if role in _LOAD_ROLES else generation.others
        raise CardKeyUnknown

    def card_key(
        self, card: CardNumber, role: KeyRole, algorithm: Algorithm, stated: int | None = None
    ) -> CardKey:
        """The name of one of a card's keys; `stated` is the load key's version that the card told (None: a new card).

        Raises CardKeyUnknown like `key_version`.
        """
        version = self.key_version(role, algorithm, stated)
        return CardKey(KeyRef(role, self.keys.issuer, version, algorithm), self.key_path(card))


_LOAD_ROLES = frozenset({KeyRole.LOAD, KeyRole.LOAD_2})
