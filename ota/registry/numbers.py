"""The inventory of card numbers: a number is held by one order, bound to one card, and never used again."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, func, select

from ota.core.errors import Refused, Unavailable
from ota.core.values import CardNumber, CityCode
from ota.registry.models import card_number
from ota.registry.states import NUMBER, NumberEvent, NumberState
from ota.store import history
from ota.store.inserts import insert_or_skip

_IMPORT_CHUNK = 500


class NumbersExhausted(Unavailable):
    """The city has no free card number left."""

    code = "numbers_exhausted"
    english = "The city has no free card numbers; import more and try again."
    chinese = "该城市卡号库存已用尽, 请导入后重试。"


class NumberNotIssued(Refused):
    """No card bears this number: it waits in the inventory, or the card that had it is gone."""

    code = "card_not_issued"
    english = "No active card bears this number."
    chinese = "该卡号未发卡或已停用。"


def add(tx: Connection, city: CityCode, numbers: Iterable[CardNumber], now: datetime) -> int:
    """Put numbers into the inventory; known ones are left as they are. Returns how many were new."""
    rows = (
        {"card_no": number.digits, "city": city.code, "state": NumberState.FREE, "updated_at": now}
        for number in numbers
    )
    added = 0
    while chunk := list(islice(rows, _IMPORT_CHUNK)):
        added += tx.execute(insert_or_skip(tx, card_number).values(chunk)).rowcount
    return added


def hold(tx: Connection, city: CityCode, order_id: str, now: datetime) -> CardNumber:
    """Take the lowest free number of a city for an order; the same order gets the same number again.

    Raises NumbersExhausted. Two orders never wait for each other's number: a locked row is skipped.
    """
    held = tx.execute(select(card_number.c.card_no).where(card_number.c.order_id == order_id)).scalar()
    if held is not None:
        return CardNumber(held)
    free = tx.execute(
        select(card_number.c.card_no)
        .where(card_number.c.city == city.code, card_number.c.state == NumberState.FREE)
        .order_by(card_number.c.card_no)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar()
    if free is None:
        raise NumbersExhausted(details={"city": city.code})
    _step(tx, free, NumberState.FREE, NumberEvent.HELD, now, order_id)
    return CardNumber(free)


def bind(tx: Connection, number: CardNumber, now: datetime) -> None:
    """The card that bears the number is active."""
    _step(tx, number.digits, _state(tx, number), NumberEvent.BOUND, now)


def release(tx: Connection, number: CardNumber, now: datetime) -> None:
    """The order that held the number never wrote it anywhere: it is free again."""
    _step(tx, number.digits, _state(tx, number), NumberEvent.RELEASED, now)


def require_issued(tx: Connection, number: CardNumber) -> None:
    """Raise NumberNotIssued for a number of the inventory that no active card bears.

    A number that is not in the inventory belongs to a card that another issuer made.
    """
    query = select(card_number.c.state).where(card_number.c.card_no == number.digits)
    state = tx.execute(query).scalar()
    if state is not None and state != NumberState.BOUND:
        raise NumberNotIssued


def retire(tx: Connection, number: CardNumber, now: datetime) -> None:
    """The number is spent: its issuance broke, or its card was closed."""
    _step(tx, number.digits, _state(tx, number), NumberEvent.RETIRED, now)


def skip(tx: Connection, city: CityCode, count: int, now: datetime) -> int:
    """Retire a city's next free numbers, which may have been given out and forgotten; returns how many.

    Free numbers are given out from the lowest on, so those are the first ones.
    """
    lowest = (
        select(card_number.c.card_no)
        .where(card_number.c.city == city.code, card_number.c.state == NumberState.FREE)
        .order_by(card_number.c.card_no)
        .limit(count)
    )
    found = tx.execute(lowest).scalars().all()
    for digits in found:
        _step(tx, digits, NumberState.FREE, NumberEvent.SKIPPED, now)
    return len(found)


def has_free(tx: Connection, city: CityCode) -> bool:
    """Whether the city has a number left."""
    free = select(card_number.c.card_no).where(
        card_number.c.city == city.code, card_number.c.state == NumberState.FREE
    )
    return tx.execute(free.limit(1)).scalar() is not None


def has_between(tx: Connection, first: CardNumber, last: CardNumber) -> bool:
    """Whether the inventory knows a number of this range, whatever became of it."""
    known = select(card_number.c.card_no).where(card_number.c.card_no.between(first.digits, last.digits))
    return tx.execute(known.limit(1)).scalar() is not None


def stock(tx: Connection) -> Iterator[tuple[str, NumberState, int]]:
    """How many numbers each city has in each state: (city code, state, count)."""
    for row in tx.execute(
        select(card_number.c.city, card_number.c.state, func.count())
        .group_by(card_number.c.city, card_number.c.state)
        .order_by(card_number.c.city, card_number.c.state)
    ):
        yield row[0], NumberState(row[1]), row[2]


def _state(tx: Connection, number: CardNumber) -> NumberState:
    query = select(card_number.c.state).where(card_number.c.card_no == number.digits).with_for_update()
    return NumberState(tx.execute(query).scalar_one())


def _step(
    tx: Connection,
    digits: str,
    before: NumberState,
    event: NumberEvent,
    now: datetime,
    order_id: str | None = None,
) -> None:
    after = NUMBER.after(before, event)
    changes: dict[str, object] = {"state": after, "updated_at": now}
    if after in {NumberState.HELD, NumberState.FREE}:
        changes["order_id"] = order_id
    tx.execute(card_number.update().where(card_number.c.card_no == digits).values(changes))
    history.record(tx, kind="card_number", subject_id=digits, before=before, event=event, after=after, at=now)
