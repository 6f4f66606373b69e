"""Wrong rules about loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from ota.card.purse import Load, LoadAnswer
from ota.registry import cards
from ota.sandbox.simulation.patching import replaced
from ota.topup import attempts, challenges, hindsight, orders, refunds
from ota.topup import loads as loads_module
from ota.topup.attempts import Attempt
from ota.topup.challenges import Challenge
from ota.topup.contact import Traces
from ota.topup.decision import Sighting, Verdict, decide
from ota.topup.errors import ChallengeSuperseded
from ota.topup.loads import Loads
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Authorised, Decision
from ota.topup.states import ATTEMPT, AttemptEvent, RefundReason, TopupEvent
from ota.topup.vault import LoadVault

Decided = Any


@contextmanager
def balance_comparison() -> Iterator[None]:
    """Loaded if and only if the balance has grown by the amount: a gate in between spoils it."""
    real = Loads._decide  # noqa: SLF001  a mutant reaches inside

    def by_balance(
        self: Loads, tx: Connection, order: TopupOrder, challenge: Challenge, load: Load, **more: Any
    ) -> Decided:
        live = attempts.live(tx, order.card)

        def compare(seen: Sighting) -> Verdict:
            if live is None:
                return decide(seen)
            grown = live.load.answer.balance.amount + live.load.amount.amount
            return Verdict.LOADED if load.answer.balance.amount >= grown else Verdict.NOT_LOADED

        with replaced(loads_module, decide=compare):
            return real(self, tx, order, challenge, load, **more)

    with replaced(Loads, _decide=by_balance):
        yield


@contextmanager
def time_out_refund() -> Iterator[None]:
    """After the silence, the attempt counts as dead and the money goes back."""
    real = Loads.doubt

    def give_up(self: Loads, attempt_id: str, why: str) -> TopupOrder:
        if why != "silent":
            return real(self, attempt_id, why)
        now = self._clock.now()
        with self._store.begin() as tx:
            attempt = attempts.get(tx, attempt_id)
            order = orders.lock(tx, attempt.order_id)
            if not ATTEMPT.allows(attempt.state, AttemptEvent.SILENT):
                return order
            attempt.step(tx, AttemptEvent.DISPROVEN, now)
            order = order.step(tx, TopupEvent.LOAD_DISPROVEN, now)
            return refunds.return_unloaded(tx, order, RefundReason.NOT_LOADED_IN_TIME, now)

    with replaced(Loads, doubt=give_up):
        yield


@contextmanager
def stale_answer() -> Iterator[None]:
    """Neither the age of a challenge nor what happened since is looked at."""
    with replaced(loads_module, _require_fresh=lambda _challenge, _live: None):
        yield


@contextmanager
def challenge_twice() -> Iterator[None]:
    """Only the attempt that the challenge knew of counts, not whether it was answered already."""

    def require(challenge: Challenge, live: Attempt | None) -> None:
        if challenge.after_attempt != (live.id if live is not None else None):
            raise ChallengeSuperseded

    with replaced(loads_module, _require_fresh=require):
        yield


@contextmanager
def mac2_early() -> Iterator[None]:
    """The attempt is written by somebody else, a moment after the answer has left."""
    real_answer, real_decide = Loads.answer, Loads._decide  # noqa: SLF001
    later: list[Callable[[], object]] = []

    def decide_only(self: Loads, tx: Connection, *args: Any, **more: Any) -> Decided:
        trial = tx.begin_nested()
        decided = real_decide(self, tx, *args, **more)
        if isinstance(decided, Attempt):
            trial.rollback()
        else:
            trial.commit()
        return decided

    def answer(self: Loads, order_id: str, nonce: str, said: LoadAnswer, traces: Traces) -> Decision:
        while later:
            later.pop()()
        with replaced(Loads, _decide=decide_only):
            decision = real_answer(self, order_id, nonce, said, traces)
        if isinstance(decision, Authorised):
            later.append(lambda: real_answer(self, order_id, nonce, said, traces))
        return decision

    with replaced(Loads, answer=answer):
        yield


@contextmanager
def denial_unrefuted() -> Iterator[None]:
    """What an old answer has denied stays denied, whatever the card says later."""
    with replaced(hindsight, hold_refuted=lambda *_args: None):
        yield


@contextmanager
def others_forgotten() -> Iterator[None]:
    """A counter that has moved by one is always ours."""
    with replaced(loads_module, decide=lambda seen: decide(replace(seen, foreign_loads=False))):
        yield


@contextmanager
def jump_unnoticed() -> Iterator[None]:
    """A counter that has moved has moved by our load."""

    def moved(seen: Sighting) -> Verdict:
        verdict = decide(seen)
        return Verdict.LOADED if verdict is Verdict.JUMPED else verdict

    with replaced(loads_module, decide=moved):
        yield


@contextmanager
def tac_unchecked() -> Iterator[None]:
    """Four bytes are a TAC."""
    with replaced(LoadVault, verify_tac=lambda *_args: None):
        yield


@contextmanager
def no_card_lock() -> Iterator[None]:
    """What was read before the HSM was asked still counts after it: nobody holds the card meanwhile."""
    real = Loads.answer

    def answer(self: Loads, order_id: str, nonce: str, said: LoadAnswer, traces: Traces) -> Decision:
        with self._store.read() as tx:
            order = orders.get(tx, order_id)
            seen = _Seen(tx, order, nonce)
        with replaced(Loads, _decide=seen.as_method()):
            return real(self, order_id, nonce, said, traces)

    with replaced(Loads, answer=answer):
        yield


class _Seen:
    """The rows of a card at some moment."""

    def __init__(self, tx: Connection, order: TopupOrder, nonce: str) -> None:
        self._live = attempts.live(tx, order.card)
        self._answered = attempts.of_nonce(tx, nonce)
        self._challenge = challenges.find(tx, nonce)
        self._card = cards.find(tx, order.card)
        self._decide = Loads._decide  # noqa: SLF001

    def as_method(self) -> Callable[..., Decided]:
        """A plain function, which a class binds to its instances."""

        def decide(*args: Any, **more: Any) -> Decided:
            return self.decide(*args, **more)

        return decide

    def decide(self, loads: Loads, tx: Connection, *args: Any, **more: Any) -> Decided:
        """Decide on the rows of then."""
        lock = cards.lock
        old = replaced(
            attempts,
            live=lambda _tx, _card: self._live,
            of_nonce=lambda _tx, _nonce: self._answered,
            find_challenge=lambda _tx, _nonce: self._challenge,
        )
        with old, replaced(cards, lock=lambda *row: self._card or lock(*row)):
            return self._decide(loads, tx, *args, **more)
