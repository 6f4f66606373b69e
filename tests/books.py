"""The books as tests look at them."""

from __future__ import annotations

from ota.reports.books_check import BooksReport, check_books
from ota.store.phases import Store
from tests.platform import Platform


def checked(platform: Platform) -> BooksReport:
    """The whole check, as `ota ledger check` does it."""
    return checked_store(platform.built.store)


def checked_store(store: Store) -> BooksReport:
    with store.snapshot() as tx:
        return check_books(tx)


def balances(platform: Platform) -> dict[str, int]:
    """Every account that is not even, in fen, debit positive."""
    rows = platform.rows("SELECT account_id, SUM(amount_fen) AS fen FROM posting GROUP BY account_id")
    return {row.account_id: int(row.fen) for row in rows if row.fen}
