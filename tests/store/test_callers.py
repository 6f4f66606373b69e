"""Callers, their keys, and proofs that count once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber
from ota.store.callers import Caller, Callers, caller, sealed
from ota.store.phases import Store
from ota.store.replay import ReplayGuard, TokenReplayed
from tests.store.conftest import SetClock

JWK = {"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}
TERMINAL = Caller(
    "gate-7", CallerKind.TERMINAL, {"k1": JWK}, CityCode("5880"), TerminalNumber("588000000007")
)
WALLET = Caller("wallet", CallerKind.WALLET, {"k1": JWK}, wallet="a wallet", channels=("alipay", "wechat"))
CLERK = Caller("clerk", CallerKind.STAFF, {"k1": JWK}, roles=("agent",), otp_secret="SECRET", sandbox=True)


@pytest.fixture
def callers(store: Store) -> Callers:
    return Callers(store)


@pytest.fixture
def guard(store: Store, clock: SetClock) -> ReplayGuard:
    return ReplayGuard(store, clock)


@pytest.mark.parametrize("one", [TERMINAL, WALLET, CLERK], ids=lambda one: one.id)
def test_a_caller_is_found_as_it_was_registered(callers: Callers, clock: SetClock, one: Caller) -> None:
    callers.register(one, clock.now())

    assert callers.find(one.id) == one


def test_nobody_is_found_under_an_unknown_id(callers: Callers) -> None:
    assert callers.find("nobody") is None


def test_registering_again_brings_it_up_to_date_and_retires_old_keys(
    callers: Callers, clock: SetClock
) -> None:
    callers.register(TERMINAL, clock.now())
    moved = Caller("gate-7", CallerKind.TERMINAL, {"k2": JWK}, CityCode("5810"), TERMINAL.terminal)

    callers.register(moved, clock.now())

    assert callers.find("gate-7") == moved


def test_a_retired_key_may_come_back(callers: Callers, clock: SetClock) -> None:
    other = Caller("gate-7", CallerKind.TERMINAL, {"k2": JWK}, TERMINAL.city, TERMINAL.terminal)
    for each in (TERMINAL, other, TERMINAL):
        callers.register(each, clock.now())

    assert callers.find("gate-7") == TERMINAL


def test_a_caller_can_be_disabled(callers: Callers, clock: SetClock) -> None:
    callers.register(CLERK, clock.now())

    known, unknown = callers.disable("clerk"), callers.disable("nobody")

    found = callers.find("clerk")
    assert (known, unknown) == (True, False)
    assert found is not None
    assert found.disabled


def test_sandbox_callers_are_known_as_such(callers: Callers, clock: SetClock) -> None:
    callers.register(CLERK, clock.now())
    callers.register(TERMINAL, clock.now())

    assert callers.sandbox_ids() == ["clerk"]


def test_a_second_factor_is_never_printed() -> None:
    assert "SECRET" not in repr(CLERK)


def test_a_proof_counts_once(guard: ReplayGuard, clock: SetClock) -> None:
    guard.use("wallet", "j1", clock.now())
    guard.use("other", "j1", clock.now())

    with pytest.raises(TokenReplayed):
        guard.use("wallet", "j1", clock.now())


def test_a_proof_used_in_a_phase_that_fails_is_not_used(
    store: Store, guard: ReplayGuard, clock: SetClock
) -> None:
    with pytest.raises(RuntimeError), store.begin() as tx:  # noqa: PT012  the phase is what fails
        guard.use("wallet", "j1", clock.now(), tx=tx)
        raise RuntimeError

    guard.use("wallet", "j1", clock.now())
    with pytest.raises(TokenReplayed):
        guard.use("wallet", "j1", clock.now())


def test_of_many_at_once_one_proof_is_accepted(guard: ReplayGuard, clock: SetClock) -> None:
    def use(_: int) -> bool:
        try:
            guard.use("wallet", "j1", clock.now())
        except TokenReplayed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(use, range(8)))

    assert accepted.count(True) == 1


def test_expired_proofs_are_forgotten(guard: ReplayGuard, clock: SetClock) -> None:
    guard.use("wallet", "j1", clock.now() + timedelta(minutes=5))
    guard.use("wallet", "j2", clock.now() + timedelta(minutes=15))
    clock.advance(minutes=10)

    forgotten = guard.forget_expired()

    assert forgotten == 1
    with pytest.raises(TokenReplayed):
        guard.use("wallet", "j2", clock.now())


def test_secrets_from_before_there_were_seals_are_sealed_once(
    callers: Callers, store: Store, clock: SetClock
) -> None:
    def seal(caller_id: str, secret: str) -> str:
        return secret if secret.startswith("sealed") else f"sealed for {caller_id}"

    callers.register(CLERK, clock.now())
    callers.register(replace(CLERK, id="earlier"), clock.now())
    callers.register(TERMINAL, clock.now())
    with store.begin() as tx:
        tx.execute(
            sa.update(caller).where(caller.c.id == "earlier").values(otp_sealed=None, otp_secret="SECRET")
        )

    counts = [callers.seal(seal), callers.seal(seal)]

    with store.read() as tx:
        rows = tx.execute(sa.select(caller.c.id, caller.c.otp_sealed, caller.c.otp_secret)).all()
    assert counts == [2, 0]
    assert set(rows) == {
        ("clerk", "sealed for clerk", None),
        ("earlier", "sealed for earlier", None),
        ("gate-7", None, None),
    }


def test_a_caller_is_kept_with_its_secret_sealed() -> None:
    kept = sealed(CLERK, lambda caller_id, secret: f"{caller_id} {len(secret)}")

    assert kept == replace(CLERK, otp_secret="clerk 6")
    assert sealed(TERMINAL, lambda *_: "sealed") is TERMINAL
