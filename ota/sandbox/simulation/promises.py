"""The promises of MONEY.md that must hold at every moment, held against the cards themselves."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import sqlalchemy as sa

from ota.card.purse import Load
from ota.core.values import Mac4
from ota.sandbox.simulation import books
from ota.sandbox.simulation.books import AttemptRow, Books
from ota.sandbox.simulation.practice import FIXED_NUMBER
from ota.sandbox.simulation.process import Reply, Request
from ota.sandbox.simulation.truth import Truth, Violated
from ota.topup.models import load_attempt
from ota.topup.states import AttemptState

_CREDIT: Final = re.compile(rb"805200000B[0-9A-F]{14}([0-9A-F]{8})")
_REPORT: Final = re.compile(r"/v1/sessions/(\w+)/results")
_SEQ: Final = re.compile(rb'"seq":(\d+)')
_DIGEST: Final = re.compile(rb'"digest":"(sha256:[0-9a-f]{64})"')
_EXPECTED_FAILURE: Final = 503


class AnswerWatch:
    """Looks at every answer as it leaves a process."""

    def __init__(self, truth: Truth, engine: sa.Engine, authorised: dict[Mac4, Load]) -> None:
        self._truth = truth
        self._engine = engine
        self._authorised = authorised

    def __call__(self, request: Request, reply: Reply) -> None:
        """Raise Violated for an answer that must not be."""
        if reply.status >= 500 and reply.status != _EXPECTED_FAILURE:
            raise Violated("no mistake of the platform", f"{request.path} was answered {reply.status}")
        for mac2 in _CREDIT.findall(reply.body):
            self._require_durable(Mac4(bytes.fromhex(mac2.decode())))
        if reply.ok:
            self._require_same_answer(request, reply)

    def _require_durable(self, mac2: Mac4) -> None:
        """Promise 5: no MAC2 leaves the process before its attempt row is durable."""
        load = self._authorised.get(mac2)
        if load is None or load.at is None:
            raise Violated("a MAC2 comes from the HSM", "nobody computed the one in an answer")
        found = sa.select(load_attempt.c.id).where(
            load_attempt.c.online_atc == load.answer.online_atc,
            load_attempt.c.random == load.answer.random.hex(),
            load_attempt.c.terminal_no == load.terminal.hex(),
            load_attempt.c.host_time == load.at.digits,
            load_attempt.c.amount_fen == load.amount.amount,
        )
        with self._engine.connect() as tx:
            if tx.execute(found).first() is None:
                raise Violated("no MAC2 before its attempt is durable", "an answer held one without a row")
        if load.terminal == FIXED_NUMBER.to_bytes():
            return  # an answer fits every question of its amount, and a card takes one MAC2 for it
        asked = load.answer.mac1.value, load.answer.random, load.answer.online_atc
        if self._truth.mac2s.setdefault(asked, mac2.value) != mac2.value:
            raise Violated("one live authorisation per card", "one answer of a card got two MAC2s")

    def _require_same_answer(self, request: Request, reply: Reply) -> None:
        """The same report of the same session gets the same answer, byte for byte."""
        session = _REPORT.fullmatch(request.path)
        number, digest = _SEQ.search(request.body), _DIGEST.search(request.body)
        if session is None or number is None or digest is None:
            return
        key = session[1], int(number[1]), digest[1].decode()
        if self._truth.answers.setdefault(key, reply.body) != reply.body:
            raise Violated("the same report gets the same answer", f"{session[1]} changed its mind")


def check(truth: Truth, seen: Books, *, calm: bool = False) -> None:
    """Raise Violated unless every promise holds between cards and tables now.

    Until all is ``calm`` a load may count as not arrived that only an answer of long ago has denied: where the terminal
    number is fixed that cannot be told at once (decision 0014), and the next counter or two people set it right.
    """
    _one_live_attempt(seen)
    _one_credit_per_order(truth, seen)
    _every_credit_is_known(truth, seen, calm=calm)
    _every_proven_load_is_on_a_card(truth, seen)
    _every_key_is_known(truth, seen)


def _one_live_attempt(seen: Books) -> None:
    """Promise 7."""
    for card, live in Counter(attempt.card for attempt in seen.attempts if attempt.live).items():
        if live > 1:
            raise Violated("one live authorisation per card", f"{live} of card …{card[-4:]}")


def _one_credit_per_order(truth: Truth, seen: Books) -> None:
    """Promise 2."""
    keys = (books.key_of(card, credit) for card in truth.cards for credit in card.credits)
    orders = Counter(seen.by_key[key].order_id for key in keys if key in seen.by_key)
    for order_id, times in orders.items():
        if times > 1:
            raise Violated("an order credits a card at most once", f"{order_id} did {times} times")


def _every_credit_is_known(truth: Truth, seen: Books, *, calm: bool) -> None:
    """What is on a card was authorised for that amount, and nobody believes that it is not there."""
    for card in truth.cards:
        for credit in card.credits:
            key = books.key_of(card, credit)
            attempt = seen.by_key.get(key)
            if attempt is None and key in truth.forgotten_loads:
                continue  # a restore forgot it; whose money it is, the verdict looks up by its trade
            if attempt is None or attempt.amount_fen != credit.amount_fen:
                raise Violated("a credit has its attempt", f"{credit.amount_fen} fen came from nowhere")
            if attempt.state is AttemptState.DEAD and not _is_deceived(truth, seen, attempt, calm=calm):
                raise Violated(
                    "not loaded is proven", f"{attempt.order_id} is on the card and counts as dead"
                )


def _is_deceived(truth: Truth, seen: Books, dead: AttemptRow, *, calm: bool) -> bool:
    """Whether an old answer may be why a load counts as dead that is on its card.

    All is well once its money is booked for its order: by another of its attempts, which the card's next counter proved, or
    as what people saw on a card that a restore had put in question.
    """
    is_seen = bool(truth.restores) and dead.order_id in truth.confirmed
    return dead.card in truth.deceived and (not calm or is_seen or seen.is_booked_by_another(dead))


def _every_key_is_known(truth: Truth, seen: Books) -> None:
    """A card whose key nobody knows yet moves nothing."""
    for attempt in seen.attempts:
        if not 1 <= attempt.key_version <= truth.known_version:
            raise Violated(
                "an unknown key moves nothing",
                f"{attempt.order_id} is tried by version {attempt.key_version}",
            )


def _every_proven_load_is_on_a_card(truth: Truth, seen: Books) -> None:
    credited = {books.key_of(card, credit) for card in truth.cards for credit in card.credits}
    deceived = {
        seen.by_key[key].order_id for key in credited & seen.by_key.keys() if key[0] in truth.deceived
    }
    # People saw the money, not by which MAC2 it came; an order's own counter tells as little, once an old answer was believed.
    not_by_which = truth.confirmed | deceived
    for attempt in seen.attempts:
        proven = attempt.order_id not in not_by_which
        if proven and attempt.state is AttemptState.LOADED and attempt.key not in credited:
            raise Violated("loaded is proven", f"{attempt.order_id} counts as loaded and is not on the card")
