"""Wrong rules about payments and books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from ota.core.ids import new_id
from ota.core.values import CityCode
from ota.ledger import books, calendar, journals
from ota.ledger.books import Money
from ota.sandbox.simulation.patching import replaced
from ota.topup import payment_fact, payments
from ota.topup.payment_fact import PaymentFact
from ota.topup.payments import Due, Payment

_real_take = payments.take


@contextmanager
def posting_not_unique() -> Iterator[None]:
    """Every notice is booked, also the one that came before; nothing makes a journal unique."""

    def take(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> tuple[Payment, bool]:
        taken, is_new = _real_take(tx, due, fact, now)
        if not is_new:
            journals.post(tx, replace(books.payment_taken(taken.money), reference=new_id("jrn")), now)
        return taken, is_new

    with replaced(payments, take=take):
        yield


@contextmanager
def amount_unchecked() -> Iterator[None]:
    """The order is paid because somebody paid."""

    def take(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> tuple[Payment, bool]:
        return _real_take(tx, due, replace(fact, amount=due.amount), now)

    with replaced(payments, take=take):
        yield


@contextmanager
def surplus_unbooked() -> Iterator[None]:
    """What does not fit its order, or comes a second time, is refused as if nobody had paid it."""

    def take(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> tuple[Payment, bool]:
        why = payments._why_surplus(tx, due, fact)  # noqa: SLF001
        if why is not None and payments._of_trade(tx, fact) is None:  # noqa: SLF001
            raise payments._refusal(why, "nowhere")  # noqa: SLF001
        return _real_take(tx, due, fact, now)

    with replaced(payments, take=take):
        yield


@contextmanager
def one_city() -> Iterator[None]:
    """Money is money: all of it is booked for the city that has most of it."""

    def money(paid: Payment) -> Money:
        return Money(paid.id, paid.channel, CityCode("5810"), paid.amount)

    with replaced(Payment, money=property(money)):
        yield


@contextmanager
def yuan_as_float() -> Iterator[None]:
    """1.15 yuan are 114.99999999999999 fen."""
    real = payment_fact._at_least_one  # noqa: SLF001  a mutant reaches inside

    def by_yuan(claims: Mapping[str, object], name: str) -> int:
        yuan = real(claims, name) / 100
        return int(yuan * 100)

    with replaced(payment_fact, _at_least_one=by_yuan):
        yield


@contextmanager
def wall_clock_day() -> Iterator[None]:
    """The date of the process's clock, which runs on UTC; the calendar is asked for nothing but its rows."""
    real = calendar.day_of

    def day_of(tx: Connection, at: datetime) -> date:
        real(tx, at)
        return at.astimezone(UTC).date()

    with replaced(calendar, day_of=day_of):
        yield
