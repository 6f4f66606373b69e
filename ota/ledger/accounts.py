"""The accounts: where money can be. Their names are data in the books, so they never change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from ota.core.values import CityCode
from ota.ledger.errors import AccountUnknown


class AccountKind(StrEnum):
    """What an account stands for. A channel holds money for us (debit); all others say whose it is (credit)."""

    CHANNEL = "channel"
    """What a payment channel took from customers and has not paid back."""

    SUSPENSE = "suspense"
    """Captured, and its place not proven yet."""

    CARD_LIABILITY = "card_liability"
    """In the purses of a city's cards."""

    REFUND_PAYABLE = "refund_payable"
    """Promised back, not yet returned by the channel."""

    FEE = "fee"
    """Earned by issuing a card."""

    LOSS = "loss"
    """Written off by two people, less what a card turned out to hold after such a decision."""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account: its kind, and a payment channel or a city's clearing code as its owner."""

    kind: AccountKind
    owner: str

    @property
    def id(self) -> str:
        """The account's name in the books, such as ``suspense:5810``."""
        return f"{self.kind}:{self.owner}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name back; raises AccountUnknown.

        >>> Account.parse("channel:alipay").kind is AccountKind.CHANNEL
        True
        """
        kind, _, owner = name.partition(":")
        if not owner:
            raise AccountUnknown(name)
        try:
            return cls(AccountKind(kind), owner)
        except ValueError:
            raise AccountUnknown(name) from None


def channel(name: str) -> Account:
    """The account of a payment channel."""
    return Account(AccountKind.CHANNEL, name)


def of_city(kind: AccountKind, city: CityCode) -> Account:
    """The account of this kind that a city has."""
    return Account(kind, city.code)
