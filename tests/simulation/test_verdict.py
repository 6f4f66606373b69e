"""Every check of the verdict can fail: after a run in which all went well, something is spoilt, and it must be noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pytest
import sqlalchemy as sa

from ota.sandbox.city_host import BookedLoad
from ota.sandbox.element import Algorithm
from ota.sandbox.element.keyring import Role
from ota.sandbox.simulation.entropy import seeded_entropy
from ota.sandbox.simulation.faults import Route, Scenario
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.masters import FIRST, SECOND
from ota.sandbox.simulation.new_card import FEE_FEN
from ota.sandbox.simulation.truth import Trade
from ota.sandbox.simulation.verdict import Verdict
from ota.sandbox.simulation.world import World

Spoil = Callable[[World], None]


def tables(*statements: str) -> Spoil:
    """Change rows past the platform."""

    def spoil(world: World) -> None:
        with world.parts.engine.begin() as tx:
            for statement in statements:
                assert tx.execute(sa.text(statement)).rowcount > 0, statement

    return spoil


def trade(change: Callable[[Trade], None]) -> Spoil:
    """Change what a customer really paid or got back."""
    return lambda world: change(next(iter(world.truth.trades.values())))


def _returned(paid: Trade) -> None:
    paid.returned_fen = paid.amount_fen


def _cheaper(paid: Trade) -> None:
    paid.amount_fen -= 1


def _fee_returned(world: World) -> None:
    fee = next(paid for paid in world.truth.trades.values() if paid.amount_fen == FEE_FEN)
    fee.returned_fen = FEE_FEN


def _one_credit_less(world: World) -> None:
    next(card for card in world.truth.cards if card.credits).credits.clear()


def _credit_twice(world: World) -> None:
    card = next(card for card in world.truth.cards if card.credits)
    card.credits.append(card.credits[0])


def _other_credit(world: World) -> None:
    card = next(card for card in world.truth.cards if card.credits)
    card.credits[0] = replace(card.credits[0], amount_fen=1)


def _spent_unseen(world: World) -> None:
    next(card for card in world.truth.cards if card.credits).debited_fen += 1


def _paid_and_forgotten(world: World) -> None:
    world.truth.trades["trade-x"] = Trade("trade-x", "sandbox-wallet", 500, answer="taken")


def _paid_and_refused(world: World) -> None:
    refused = Trade("trade-x", "sandbox-wallet", 500, answer="refused", refusal="payment_differs")
    world.truth.trades["trade-x"] = refused


def _element_wiped(world: World) -> None:
    card = next(card for card in world.truth.cards if card.credits)
    card.element._registry.applications.clear()
    card.credits.clear()


def _key_of_another_version(world: World) -> None:
    card = next(card for card in world.truth.cards if card.credits)
    assert card.keyring is not None
    card.keyring.write(Role.TAC, Algorithm.SM4, bytes(16), FIRST)


def _keys_had_changed_before(world: World) -> None:
    next(card for card in world.truth.cards if card.credits).least_version = SECOND


def _booked_there_alone(world: World) -> None:
    world.host_wire.host.loads["att_x"] = BookedLoad("3104870300000000006", "loaded")


def _open_there_alone(world: World) -> None:
    world.truth.forgotten_questions.add("att_x")
    world.host_wire.host.loads["att_x"] = BookedLoad("3104870300000000006", "authorised")


def _nobody_heard(world: World) -> None:
    world.events._states.clear()


@dataclass(frozen=True)
class Case:
    """``counted``: the signs of the fen that are counted as lost and as doubled."""

    promise: str
    spoil: Spoil
    route: Route = Route.APP
    counted: tuple[bool, bool] | None = None


CASES: Final = {
    "an attempt counts as dead": Case(
        "not loaded is proven", tables("UPDATE load_attempt SET state = 'dead'")
    ),
    "a load that is not on the card": Case("loaded is proven", _one_credit_less, counted=(True, False)),
    "a credit that was written twice": Case(
        "an order credits a card at most once", _credit_twice, counted=(False, True)
    ),
    "a credit of another amount": Case("a credit has its attempt", _other_credit),
    "an attempt is gone": Case(
        "a credit has its attempt", tables("DELETE FROM load_attempt"), counted=(True, True)
    ),
    "money spent that no gate took": Case("cards add up", _spent_unseen),
    "a loaded order counts as paid back": Case(
        "orders are what cards hold", tables("UPDATE topup_order SET state = 'refunded'")
    ),
    "a customer has money back and the load": Case(
        "refunds are what customers have back", trade(_returned), counted=(False, True)
    ),
    "a payment of another amount": Case("a payment was made", trade(_cheaper), counted=(False, True)),
    "a payment that was taken is not booked": Case("no captured payment vanishes", _paid_and_forgotten),
    "a journal on another day": Case(
        "a business day is the calendar's",
        tables(
            "INSERT INTO journal (id, kind, reference, subject_id, business_day, at) "
            "SELECT id || 'x', kind, reference || 'x', subject_id, "
            "(SELECT max(day) FROM business_day), at FROM journal LIMIT 1"
        ),
    ),
    "a posting more": Case(
        "the books are true",
        tables(
            "INSERT INTO posting (journal_id, line, account_id, amount_fen) "
            "SELECT journal_id, line + 10, account_id, amount_fen FROM posting LIMIT 1"
        ),
    ),
    "a fee that was given back though the card is there": Case(
        "refunds are what customers have back", _fee_returned, Route.NEW_CARD, counted=(False, True)
    ),
    "a number is held for nobody": Case(
        "numbers are not lost",
        tables("UPDATE card_number SET state = 'held' WHERE state = 'bound'"),
        Route.NEW_CARD,
    ),
    "a number on a card is free": Case(
        "one number, one card",
        tables("UPDATE card_number SET state = 'free' WHERE state = 'bound'"),
        Route.NEW_CARD,
    ),
    "a card was cleared away with its money": Case("loaded is proven", _element_wiped, Route.NEW_CARD),
    "an active card is on no element": Case(
        "an active card is on its element",
        tables("UPDATE issuance_order SET se_id = 'elsewhere'"),
        Route.NEW_CARD,
    ),
    "an attempt by a key that nobody has": Case(
        "an unknown key moves nothing", tables("UPDATE load_attempt SET key_version = 9")
    ),
    "a new card with keys of two versions": Case(
        "a card has its keys from one version", _key_of_another_version, Route.NEW_CARD
    ),
    "a new card with keys that were replaced before": Case(
        "new cards get new keys", _keys_had_changed_before, Route.NEW_CARD
    ),
    "a city booked what was never asked": Case("a city's books are ours", _booked_there_alone),
    "a city keeps a load open that a restore forgot": Case(
        "a city's books are its cards'", _open_there_alone
    ),
    "a payment was refused and is booked nowhere": Case("no captured payment vanishes", _paid_and_refused),
    "money stands in another city's books": Case(
        "the books agree with everything",
        tables(
            "INSERT INTO account (id, kind, owner) VALUES ('card_liability:9999', 'card_liability', '9999')",
            "INSERT INTO posting (journal_id, line, account_id, amount_fen) "
            "SELECT journal_id, 20, account_id, -amount_fen FROM posting WHERE account_id LIKE 'card_liab%'",
            "INSERT INTO posting (journal_id, line, account_id, amount_fen) "
            "SELECT journal_id, 21, 'card_liability:9999', amount_fen FROM posting "
            "WHERE account_id LIKE 'card_liab%' AND line < 20",
        ),
    ),
    "an entry more in the trail": Case(
        "the audit trail is as it was written",
        tables(
            "INSERT INTO audit (stream, position, actor, action, subject_id, data, at, previous, digest) "
            "VALUES ('cards', 99, 'nobody', 'card_frozen', 'card_x', '{}', '2026-11-23 10:00:00.000000', "
            "zeroblob(32), zeroblob(32))"
        ),
    ),
    "a wallet never heard": Case("wallets are told how it ended", _nobody_heard),
}


def judged(installation: Installation, case: Case) -> Verdict:
    with installation.at_work():
        world = World(installation, Scenario(1, (1,), faults=frozenset(), route=case.route))
        with seeded_entropy(1, world.clock):
            assert world.run().ok
        case.spoil(world)
        return world.judged()


@pytest.mark.parametrize("name", CASES)
def test_a_spoilt_ending_is_noticed(installation: Installation, name: str) -> None:
    verdict = judged(installation, CASES[name])

    assert not verdict.ok
    assert (verdict.complaint or "").startswith(CASES[name].promise), verdict
    if (expected := CASES[name].counted) is not None:
        assert (verdict.lost_fen > 0, verdict.doubled_fen > 0) == expected
