"""Two real tokens as one HSM: one takes over for the other, and none with other keys is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota import settings as configuration
from ota import wiring
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import HsmUnavailable
from ota.hsm_adapter.failover import FailoverHsm
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.ports import Hsm
from tests.hsm_adapter.keyring import MASTER, a_load, card_key, expected_mac2, key_ref
from tests.hsm_adapter.pkcs11.conftest import made
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master
from tests.tokens import Token

LOAD = a_load(Algorithm.TDES)
MAC2 = expected_mac2(Algorithm.TDES, LOAD)
COMPARED = [key_ref(KeyRole.LOAD), key_ref(KeyRole.TAC)]


class Watch:
    """A clock for pauses."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def authorise(hsm: Hsm) -> object:
    return hsm.authorise_load(card_key(KeyRole.LOAD), LOAD)


def test_a_token_that_is_missing_is_replaced_and_taken_back_when_it_returns(
    hsm: Pkcs11Hsm, place: TokenPlace, pkcs11_token: Token
) -> None:
    absent = TokenPlace(place.module, "late", place.pin_file)
    watch = Watch()

    def open_late() -> Hsm:
        return hsm_of(absent, one_master())

    both = FailoverHsm({"late": open_late, "shared": lambda: hsm}, COMPARED, monotonic=watch)
    before = both.health()
    taken_over = authorise(both)
    made(absent, pkcs11_token)
    watch.now += 1
    taken_back = authorise(both)

    assert before.detail.startswith("late: rests after a failure; shared: ")
    assert taken_over == taken_back == MAC2
    assert not both.health().detail.startswith("late: rests")


def test_a_token_with_another_master_is_shut_out(hsm: Pkcs11Hsm, fresh: TokenPlace) -> None:
    other = hsm_of(fresh, one_master(master=bytes(reversed(MASTER))))

    both = FailoverHsm({"shared": lambda: hsm, "other": lambda: other}, COMPARED)

    assert authorise(both) == MAC2
    assert both.health().detail.endswith("other: its keys differ")


def test_a_token_that_vanishes_under_way_is_followed_by_the_next(hsm: Pkcs11Hsm, fresh: TokenPlace) -> None:
    """The session is closed and the place names no token any more: reopening fails, twice."""
    failing = hsm_of(fresh, one_master())
    both = FailoverHsm({"failing": lambda: failing, "shared": lambda: hsm}, COMPARED)
    assert authorise(both) == MAC2
    session: TokenSession[object] = failing._session  # type: ignore[assignment]
    session.close()
    session._place = TokenPlace(Path(fresh.module), "gone", fresh.pin_file)

    with pytest.raises(HsmUnavailable):
        authorise(failing)

    assert authorise(both) == MAC2


def test_the_settings_name_a_standby(provisioned: TokenPlace, pkcs11_token: Token, tmp_path: Path) -> None:
    second = made(TokenPlace(provisioned.module, "standby", provisioned.pin_file), pkcs11_token)
    provision_token(TokenKeys(second, environment="sandbox"))
    pin = str(provisioned.pin_file)
    named = {"pkcs11_module": str(provisioned.module), "pkcs11_token": provisioned.label, "pin_file": pin}
    hsm = {"backend": "pkcs11", "standby_token": "standby", "standby_pin_file": pin} | named
    overrides = {"data": str(tmp_path)} | {f"hsm.{name}": value for name, value in hsm.items()}

    both = wiring.open_hsm(configuration.load(environ={}, overrides=overrides))

    assert repr(both) == f"FailoverHsm({provisioned.label}, standby)"
    assert both.health().ok
