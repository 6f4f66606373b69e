"""Which authority answers for a card's loads: the provincial HSM, or the host of the city that issues the card itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from ota.core.errors import InvalidValue

if TYPE_CHECKING:
    from ota.core.values import CardNumber
    from ota.hsm_adapter.ports import CardAuthority

PROVINCE: Final = "province"
"""The name of the authority that holds the keys of every city without a host of its own."""


class AuthorityOffice(Protocol):
    """Whoever can answer for many cards; each question goes to an authority for one card and one load."""

    def authority(self, card: CardNumber, load_id: str | None) -> CardAuthority:
        """Who answers for this load. ``load_id`` is None where nothing is authorised, only MAC1 looked at."""
        ...


class HsmOffice:
    """The provincial HSM: it answers for any card by the key's name, and the load's id is nothing to it."""

    def __init__(self, hsm: CardAuthority) -> None:
        self._hsm = hsm

    def authority(self, card: CardNumber, load_id: str | None) -> CardAuthority:  # noqa: ARG002  see the class
        """The HSM."""
        return self._hsm


class Routing:
    """From a card number to its authority. Immutable; checked when it is built.

    ``name_of`` tells the name of a card's authority (`ota.cities` knows the numbers); ``names`` are all that it can
    tell. Raises InvalidValue for a name without an office.
    """

    def __init__(
        self,
        name_of: Callable[[CardNumber], str],
        names: Iterable[str],
        offices: Mapping[str, AuthorityOffice],
    ) -> None:
        self._name_of = name_of
        self._offices = dict(offices)
        missing = sorted(set(names) - self._offices.keys())
        if missing:
            raise InvalidValue("authority", f"an office for {', '.join(missing)}")

    def authority(self, card: CardNumber, load_id: str | None = None) -> CardAuthority:
        """Who answers for this load of this card; raises what ``name_of`` raises, such as CardOutsideProvince."""
        return self._offices[self._name_of(card)].authority(card, load_id)
