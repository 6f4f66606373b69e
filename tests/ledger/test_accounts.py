from __future__ import annotations

import pytest

from ota.core.values import CityCode
from ota.ledger.accounts import Account, AccountKind, channel, of_city
from ota.ledger.errors import AccountUnknown


@pytest.mark.parametrize(
    ("account", "name"),
    [
        (channel("alipay"), "channel:alipay"),
        (channel("bank:icbc"), "channel:bank:icbc"),
        *((of_city(kind, CityCode("5810")), f"{kind.value}:5810") for kind in AccountKind),
    ],
)
def test_a_name_in_the_books_is_read_back(account: Account, name: str) -> None:
    assert account.id == name
    assert Account.parse(name) == account


@pytest.mark.parametrize("name", ["", "suspense", "suspense:", ":5810", "purse:5810", "SUSPENSE:5810"])
def test_what_is_no_account_is_refused(name: str) -> None:
    with pytest.raises(AccountUnknown) as refusal:
        Account.parse(name)

    assert refusal.value.details == {"account": name}


def test_the_kinds_are_what_the_books_of_every_version_know() -> None:
    assert {kind.value for kind in AccountKind} == {
        "channel",
        "suspense",
        "card_liability",
        "refund_payable",
        "fee",
        "loss",
    }
