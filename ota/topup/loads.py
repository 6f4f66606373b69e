"""The load itself: meet the card, decide what became of earlier attempts, authorise, confirm.

The decision protocol of MONEY.md. The wallet's session, a terminal and a service desk all come through here.
Each method is a few short phases; no row is locked while the HSM works.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from ota.card.purse import Load, LoadAnswer
from ota.core.clock import Clock
from ota.core.values import Mac4, TerminalNumber
from ota.hsm_adapter.city_host.errors import CityHostRefused
from ota.hsm_adapter.errors import KeyNotUsable, TacWrong
from ota.registry import cards, numbers
from ota.store.phases import Store
from ota.topup import attempts, challenges, evidence, hindsight, integrity, orders
from ota.topup.attempts import Attempt
from ota.topup.authorisation import authorise
from ota.topup.challenges import Challenge
from ota.topup.contact import Contact, Traces, new_challenge
from ota.topup.decision import Sighting, decide
from ota.topup.errors import CardFrozen, CardNotMade, ChallengeSuperseded, NotLoadable
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Arrived, AskAgain, Authorised, Decision, Stopped
from ota.topup.rules import LoadRules, RuleBook
from ota.topup.settlement import SETTLE, book_loaded
from ota.topup.states import ATTEMPT, AttemptEvent, AttemptState, TopupEvent, TopupState
from ota.topup.vault import LoadVault

_LOADABLE: Final = frozenset({TopupState.PAID, TopupState.LOADING, TopupState.UNCERTAIN})


class Loads:
    """Drives loads of any card that the rule book knows."""

    def __init__(self, store: Store, vault: LoadVault, rules: RuleBook, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._rules = rules
        self._clock = clock

    def meet(
        self, order_id: str, asked_by: str | None = None, *, being_issued: bool = False
    ) -> Contact | Arrived:
        """Put a new question to the card of an order: it replaces every older one.

        ``asked_by`` names the terminal that has the card on its reader. A card that is ``being_issued`` is asked by its
        issuance alone: nobody else loads what may yet be built anew. Raises NotLoadable, CardNotMade,
        CardNotUsable, CardOutsideProvince, NumberNotIssued.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            order = orders.get(tx, order_id)
            known = cards.lock(tx, order.card, order.city, now)
            order = orders.lock(tx, order_id)
            if order.state is TopupState.LOADED:
                return Arrived(order)
            if order.state not in _LOADABLE:
                raise NotLoadable(order.state)
            _require_card(order)
            known.require_usable()
            if not being_issued:
                numbers.require_issued(tx, order.card)
            live = attempts.live(tx, order.card)
            rules = self._rules.of_card(order.card)
            challenge = replace(new_challenge(order, live, rules), asked_by=asked_by)
            challenges.ask(tx, challenge, now)
        return Contact(order, challenge, live, rules)

    def accept(self, order_id: str, terminal: TerminalNumber, answer: LoadAnswer) -> str | None:
        """Take an INITIALIZE FOR LOAD that a terminal made on its own as the answer to a question put just now.

        Returns its nonce for `answer`, or None where only a real question helps: a live attempt of the card must be
        settled, or the counter is not the expected one, since an answer that was under way for long proves nothing.
        The answer itself is the nonce, so that it serves one order once. Raises ChallengeSuperseded, CardNotUsable.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            order = orders.get(tx, order_id)
            known = cards.lock(tx, order.card, order.city, now)
            _require_card(orders.lock(tx, order_id))
            nonce = challenges.answer_digest(answer)
            earlier = challenges.find(tx, nonce)
            if earlier is not None:
                return _own_challenge(tx, order_id, nonce).nonce
            known.require_usable()
            counter = answer.online_atc
            is_expected = known.last_atc in (None, counter) and not attempts.loaded_at(
                tx, order.card, counter
            )
            if attempts.live(tx, order.card) is not None or not is_expected:
                return None
            challenges.ask(tx, Challenge(nonce, order.card, order_id, terminal, order.amount, None), now)
        return nonce

    def asked(self, order_id: str, nonce: str) -> Contact:
        """The contact that a question was put in; raises ChallengeSuperseded for a nonce of another order."""
        with self._store.read() as tx:
            order = orders.get(tx, order_id)
            challenge = _own_challenge(tx, order_id, nonce)
            live = attempts.get(tx, challenge.after_attempt) if challenge.after_attempt is not None else None
        return Contact(order, challenge, live, self._rules.of_card(order.card))

    def answer(self, order_id: str, nonce: str, answer: LoadAnswer, traces: Traces) -> Decision:
        """Take a card's answer to INITIALIZE FOR LOAD: settle the live attempt, then authorise this order's load.

        An exact repetition gets the same MAC2. Raises ChallengeSuperseded, Mac1Wrong and the HSM's errors; then
        nothing has changed.
        """
        with self._store.read() as tx:
            order = orders.get(tx, order_id)
            challenge = _own_challenge(tx, order_id, nonce)
            live = attempts.live(tx, order.card)

        load = Load(challenge.amount, challenge.terminal.to_bytes(), answer)
        try:
            self._vault.check_mac1(order.card, load)
        except CityHostRefused as refusal:
            return Stopped(refusal)
        proven = live is not None and self._is_proven(live, traces)
        bar = self._vault.bar(order.card, load)

        with self._store.begin() as tx:
            decided = self._decide(tx, order, challenge, load, proven=proven, bar=bar)

        return self._authorised(decided) if isinstance(decided, Attempt) else decided

    def check(self, order_id: str, nonce: str, answer: LoadAnswer) -> None:
        """Raise Mac1Wrong unless this is the card's answer to the question; decides and changes nothing."""
        with self._store.read() as tx:
            challenge = _own_challenge(tx, order_id, nonce)
        self._vault.check_mac1(challenge.card, Load(challenge.amount, challenge.terminal.to_bytes(), answer))

    def confirm(self, attempt_id: str, tac: Mac4) -> TopupOrder:
        """Take the TAC of CREDIT FOR LOAD: the load is proven. Raises TacWrong; the attempt then stays in doubt.

        Raises CardFrozen for a TAC that holds after the card had disproved the load; the card is frozen then.
        """
        with self._store.read() as tx:
            attempt = attempts.get(tx, attempt_id)

        try:
            self._vault.verify_tac(attempt.id, attempt.card, attempt.load, tac)
        except TacWrong:
            self.doubt(attempt_id, "tac_wrong")
            raise

        with self._store.begin() as tx:
            proven = self._prove(tx, attempt_id, evidence.TAC)
        if proven is None:
            raise CardFrozen
        return proven

    def doubt(self, attempt_id: str, why: str) -> TopupOrder:
        """Note that a MAC2 left and no proof came back. Changes nothing that is decided already."""
        now = self._clock.now()
        with self._store.begin() as tx:
            attempt = attempts.get(tx, attempt_id)
            cards.lock(tx, attempt.card, orders.get(tx, attempt.order_id).city, now)
            order = orders.lock(tx, attempt.order_id)
            attempt = attempts.get(tx, attempt_id)
            if not ATTEMPT.allows(attempt.state, AttemptEvent.SILENT):
                return order
            attempt.step(tx, AttemptEvent.SILENT, now)
            evidence.note(tx, order.id, attempt.id, "no_proof", {"why": why}, now)
            return order.step(tx, TopupEvent.LOAD_IN_DOUBT, now)

    def _authorised(self, attempt: Attempt) -> Authorised | Stopped:
        """MAC2 of an attempt that is durable. A city's host may still refuse; then the attempt is withdrawn."""
        try:
            return Authorised(attempt, self._vault.authorise_load(attempt.id, attempt.card, attempt.load))
        except CityHostRefused as refusal:
            return Stopped(refusal)

    def _is_proven(self, live: Attempt, traces: Traces) -> bool:
        return traces.in_journal(live.load) or any(
            self._vault.is_tac_of(live.id, live.card, live.load, tac) for tac in traces.tacs
        )

    def _decide(
        self,
        tx: Connection,
        order: TopupOrder,
        challenge: Challenge,
        load: Load,
        *,
        proven: bool,
        bar: KeyNotUsable | None,
    ) -> Attempt | Arrived | AskAgain | Stopped:
        """Settle the live attempt, then authorise unless something stands against it.

        A ``bar`` stops the load here, before its attempt is written: behind it nobody could tell whether MAC2 was made.
        """
        now = self._clock.now()
        known = cards.lock(tx, order.card, order.city, now)
        order = orders.lock(tx, order.id)
        if (repeated := _repetition(tx, challenge.nonce, load.answer)) is not None:
            return repeated
        live = attempts.live(tx, order.card)
        _require_fresh(_own_challenge(tx, order.id, challenge.nonce), live)
        known.require_usable()
        challenges.use(tx, challenge.nonce, challenges.answer_digest(load.answer), now)

        rules = self._rules.of_card(order.card)
        counter = load.answer.online_atc
        seen = Sighting(
            counter=counter,
            attempt=live.counter if live is not None else None,
            expected=known.last_atc,
            foreign_loads=rules.city.load.foreign_loads or _is_contested(tx, live, rules),
            proven=proven,
        )
        verdict = decide(seen)
        hindsight.keep(tx, known, live, seen, verdict, now, is_replayable=rules.is_replayable)
        settle = SETTLE[verdict]
        stop = settle(tx, known, live, order, counter, now)
        if rules.is_replayable:
            stop = hindsight.hold_refuted(tx, known, counter, now) or stop
        if stop is not None:
            return stop
        return authorise(tx, orders.lock(tx, order.id), load, challenge.nonce, rules, bar, now)

    def _prove(self, tx: Connection, attempt_id: str, kind: str) -> TopupOrder | None:
        """Book the load; None where the card contradicts itself and is frozen."""
        now = self._clock.now()
        attempt = attempts.get(tx, attempt_id)
        order = orders.get(tx, attempt.order_id)
        known = cards.lock(tx, attempt.card, order.city, now)
        order = orders.lock(tx, attempt.order_id)
        attempt = attempts.get(tx, attempt_id)
        if attempt.state is AttemptState.LOADED:
            hindsight.bear_out(tx, known, attempt, kind, now)
            return order
        if not ATTEMPT.allows(attempt.state, AttemptEvent.PROVEN):
            # A TAC for a MAC2 that a fresh MAC1 had proven dead: one of the two cannot be true.
            evidence.note(
                tx, order.id, attempt.id, evidence.TAC_AFTER_DECISION, {"state": attempt.state}, now
            )
            integrity.freeze(tx, known, order.id, evidence.TAC_AFTER_DECISION, now)
            return None
        return book_loaded(tx, attempt, kind, now)


def _require_card(order: TopupOrder) -> None:
    if order.is_without_card:
        raise CardNotMade


def _own_challenge(tx: Connection, order_id: str, nonce: str) -> Challenge:
    challenge = challenges.find(tx, nonce)
    if challenge is None or challenge.order_id != order_id:
        raise ChallengeSuperseded
    return challenge


def _is_contested(tx: Connection, live: Attempt | None, rules: LoadRules) -> bool:
    """Whether another load of this platform may have used up the live one's counter: forgotten, or denied by mistake."""
    if live is None:
        return False
    return live.restore_id is not None or (rules.is_replayable and attempts.is_rivalled(tx, live))


def _repetition(tx: Connection, nonce: str, answer: LoadAnswer) -> Attempt | Arrived | None:
    """The attempt that this very answer led to before, as long as its MAC2 may still be given out."""
    attempt = attempts.of_nonce(tx, nonce)
    if attempt is None or challenges.answer_digest(attempt.load.answer) != challenges.answer_digest(answer):
        return None
    if attempt.state is AttemptState.LOADED:
        return Arrived(orders.get(tx, attempt.order_id))
    if attempt.state is not AttemptState.AUTHORISED:
        raise ChallengeSuperseded
    return attempt


def _require_fresh(challenge: Challenge, live: Attempt | None) -> None:
    """The newest question, not answered before, and put after the attempt that it is to decide."""
    if not challenge.open or challenge.after_attempt != (live.id if live is not None else None):
        raise ChallengeSuperseded
