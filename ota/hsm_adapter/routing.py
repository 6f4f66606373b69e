"""Which authority answers for a card, and by which keys: longest prefix of the card number wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue, Refused
from ota.hsm_adapter.errors import KeyUnknown
from ota.hsm_adapter.keys import FACTOR_LENGTH, CardKey, KeyRef

if TYPE_CHECKING:
    from ota.core.values import CardNumber, CityCode, Fen
    from ota.hsm_adapter.ports import CardAuthority

CARD_FACTOR: Final = "{card_factor}"
_PREFIX: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_FACTOR: Final = re.compile(r"[0-9A-Fa-f]{16}", re.ASCII)
_LOAD_ROLES: Final = frozenset({KeyRole.LOAD, KeyRole.LOAD_2})


class CardOutsideProvince(Refused):
    """No city of the province issues this number. The number itself is not repeated."""

    code = "card_outside_province"
    english = "This card was not issued by a city of the province; it cannot be served here."
    chinese = "该卡不是本省各市发行的卡片, 无法受理。"


class CityNotLive(Refused):
    """The card's city is known and its service is not open."""

    code = "city_not_live"
    english = "The service for cards of this city is not open."
    chinese = "该城市的业务尚未开通。"


class AmountOutsideLimits(Refused):
    """A load is smaller or larger than the card's city allows."""

    code = "amount_outside_limits"

    def __init__(self, low_fen: int, high_fen: int) -> None:
        super().__init__(
            english=f"The amount must be between {low_fen} and {high_fen} fen.",
            chinese=f"充值金额应在 {low_fen} 分至 {high_fen} 分之间。",
            details={"min_load_fen": low_fen, "max_load_fen": high_fen},
        )


@dataclass(frozen=True, slots=True)
class KeyVersions:
    """The versions of one generation of keys: the load key that a card states, and those that go with it."""

    load: int
    others: int


@dataclass(frozen=True, slots=True)
class CityRoute:
    """One prefix of card numbers: whose they are, who answers for them and how their keys are named.

    ``path`` holds the diversification factors, outermost first: 16 hex digits each, or ``{card_factor}``.
    """

    prefix: str
    city: CityCode
    authority: str
    live: bool
    key_issuer: str
    path: tuple[str, ...]
    versions: Mapping[Algorithm, tuple[KeyVersions, ...]]
    min_load: Fen
    max_load: Fen
    within: str | None = None
    """The shorter prefix that this one is carved out of; without it, overlapping prefixes are a mistake."""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise InvalidValue("prefix", "1 to 18 decimal digits")
        if any(template != CARD_FACTOR and not _FACTOR.fullmatch(template) for template in self.path):
            raise InvalidValue("path", f"{2 * FACTOR_LENGTH} hex digits or {CARD_FACTOR} per factor")


@dataclass(frozen=True, slots=True)
class AuthorisedRoute:
    """A card that may be served: its city, who answers for it, and the names of its keys."""

    route: CityRoute
    card: CardNumber
    authority: CardAuthority

    @property
    def city(self) -> CityCode:
        """The card's city."""
        return self.route.city

    def check_amount(self, amount: Fen) -> None:
        """Raise AmountOutsideLimits for a load that the city does not allow."""
        if not self.route.min_load <= amount <= self.route.max_load:
            raise AmountOutsideLimits(self.route.min_load.amount, self.route.max_load.amount)

    def load_key(self, algorithm: Algorithm, version: int, *, second: bool = False) -> CardKey:
        """The load key that the card stated in INITIALIZE FOR LOAD; raises KeyUnknown, never tries another."""
        return self.key(KeyRole.LOAD_2 if second else KeyRole.LOAD, algorithm, version)

    def tac_key(self, algorithm: Algorithm, version: int) -> CardKey:
        """The TAC key that goes with the load key of that version."""
        return self.key(KeyRole.TAC, algorithm, version)

    def key(self, role: KeyRole, algorithm: Algorithm, load_version: int) -> CardKey:
        """Any of the card's keys, by the load key version that the card states; raises KeyUnknown."""
        for versions in self.route.versions.get(algorithm, ()):
            if versions.load == load_version:
                version = versions.load if role in _LOAD_ROLES else versions.others
                ref = KeyRef(role, self.route.key_issuer, version, algorithm)
                return CardKey(ref, tuple(self._factor(template) for template in self.route.path))
        raise KeyUnknown(f"{self.route.key_issuer}/{role}/{load_version}/{algorithm}")

    def _factor(self, template: str) -> bytes:
        return self.card.factor if template == CARD_FACTOR else bytes.fromhex(template)


class Routing:
    """From a card number to the authority and the key names. Immutable; checked when it is built.

    Raises InvalidValue for prefixes that overlap without saying so and for authorities nobody gave.
    """

    def __init__(self, routes: Iterable[CityRoute], authorities: Mapping[str, CardAuthority]) -> None:
        self._routes: dict[str, CityRoute] = {}
        self._authorities = dict(authorities)
        for route in routes:
            if route.prefix in self._routes:
                raise InvalidValue("prefix", f"{route.prefix} for one city only")
            if route.authority not in self._authorities:
                raise InvalidValue("authority", f"one of {', '.join(sorted(self._authorities))}")
            self._routes[route.prefix] = route
        for route in self._routes.values():
            self._check_disjoint(route)
        self._lengths = sorted({len(prefix) for prefix in self._routes}, reverse=True)

    def find(self, card: CardNumber) -> AuthorisedRoute:
        """Who answers for a card that may be served; raises CardOutsideProvince, CityNotLive."""
        route = self._longest(card)
        if route is None:
            raise CardOutsideProvince
        if not route.live:
            raise CityNotLive(details={"city": route.city.code})
        return AuthorisedRoute(route, card, self._authorities[route.authority])

    def _longest(self, card: CardNumber) -> CityRoute | None:
        for length in self._lengths:
            found = self._routes.get(card.digits[:length])
            if found is not None:
                return found
        return None

    def _check_disjoint(self, route: CityRoute) -> None:
        """Ranges are disjoint, but for a block that says which longer range it is carved out of."""
        around = [
            prefix for prefix in self._routes if prefix != route.prefix and route.prefix.startswith(prefix)
        ]
        nearest = max(around, key=len, default=None)
        if route.within != nearest:
            raise InvalidValue("within", f"{nearest or 'nothing'} around prefix {route.prefix}")
