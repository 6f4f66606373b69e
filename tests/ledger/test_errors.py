"""A mistake in the books says in both languages which journal, account or moment it is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ota.core.errors import OtaError
from ota.ledger.errors import AccountUnknown, BookedDifferently, CalendarGap, NotBooked

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "names", "details"),
    [
        (
            lambda: BookedDifferently("written_off", "pay_1"),
            ("written_off", "pay_1"),
            {"kind": "written_off", "reference": "pay_1"},
        ),
        (
            lambda: NotBooked("written_off", "pay_1"),
            ("written_off", "pay_1"),
            {"kind": "written_off", "reference": "pay_1"},
        ),
        (lambda: AccountUnknown("till:5810"), ("till:5810",), {"account": "till:5810"}),
        (lambda: CalendarGap(AT), (AT.isoformat(),), {"at": AT.isoformat()}),
    ],
    ids=["booked differently", "not booked", "account unknown", "calendar gap"],
)
def test_a_mistake_in_the_books_is_named(
    make: Callable[[], OtaError], names: tuple[str, ...], details: dict[str, str]
) -> None:
    error = make()

    unnamed = [
        (language, name) for language, text in error.message.items() for name in names if name not in text
    ]
    assert unnamed == []
    assert error.details == details
