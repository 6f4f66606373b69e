"""How each thing that happens to a captured payment is written in the books.

::

    payment taken         channel          → suspense of the card's city
    load proven           suspense         → card liability
    load proven after two
    people had decided    loss             → card liability
    refund started        suspense         → refund payable
    refund done           refund payable   → channel
    refund failed         the start reversed
    written off           suspense         → loss
    card issued           suspense         → fee

The left account is debited, the right one credited. Each function gives the journal; `ota.ledger.journals.post`
writes it, in the transaction of the state step that it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

from ota.core.values import CityCode, Fen
from ota.ledger.accounts import Account, AccountKind, channel, of_city
from ota.ledger.journals import Journal, JournalKind, move


@dataclass(frozen=True, slots=True)
class Money:
    """One captured payment: the thing that every journal is about. ``city`` is the city of its card."""

    payment_id: str
    channel: str
    city: CityCode
    amount: Fen

    def at(self, kind: AccountKind) -> Account:
        """The account of this kind in which this money can be."""
        return channel(self.channel) if kind is AccountKind.CHANNEL else of_city(kind, self.city)


def payment_taken(money: Money) -> Journal:
    """A channel has the customer's money, and we owe it to somebody."""
    return _moved(
        money, JournalKind.PAYMENT_TAKEN, money.payment_id, AccountKind.CHANNEL, AccountKind.SUSPENSE
    )


def load_proven(money: Money, attempt_id: str) -> Journal:
    """The money is in a purse."""
    return _moved(
        money, JournalKind.LOAD_PROVEN, attempt_id, AccountKind.SUSPENSE, AccountKind.CARD_LIABILITY
    )


def load_after_decision(money: Money, attempt_id: str) -> Journal:
    """A purse shows money that two people had refunded or written off: the loss has a name now."""
    return _moved(
        money, JournalKind.LOAD_AFTER_DECISION, attempt_id, AccountKind.LOSS, AccountKind.CARD_LIABILITY
    )


def refund_started(money: Money, refund_key: str) -> Journal:
    """The money is promised back."""
    return _moved(
        money, JournalKind.REFUND_STARTED, refund_key, AccountKind.SUSPENSE, AccountKind.REFUND_PAYABLE
    )


def refund_done(money: Money, refund_key: str) -> Journal:
    """The channel has paid the money back."""
    return _moved(money, JournalKind.REFUND_DONE, refund_key, AccountKind.REFUND_PAYABLE, AccountKind.CHANNEL)


def written_off(money: Money) -> Journal:
    """Two people gave up on finding out where the money is."""
    return _moved(money, JournalKind.WRITTEN_OFF, money.payment_id, AccountKind.SUSPENSE, AccountKind.LOSS)


def fee_earned(money: Money) -> Journal:
    """The card that a fee was paid for is active."""
    return _moved(money, JournalKind.FEE_EARNED, money.payment_id, AccountKind.SUSPENSE, AccountKind.FEE)


def _moved(
    money: Money, kind: JournalKind, reference: str, debit: AccountKind, credit: AccountKind
) -> Journal:
    return move(
        kind,
        reference,
        money.payment_id,
        money.amount.amount,
        debit=money.at(debit),
        credit=money.at(credit),
    )
