"""A phone with the wallet's app: opens sessions for an order, runs batches on the card, reports; or lies, or dies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from ota.sandbox.batch import Batch, Report, read_batch
from ota.sandbox.discovery import card_opening
from ota.sandbox.simulation import contact, lies
from ota.sandbox.simulation.caller import TRIES, Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.collected import Collection
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.process import Json, Reply, Request
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.truth import Violated

_OVER: Final = (401, 403, 404, 409)
_FORGED: Final = "mac1_wrong"
DONE: Final = "done"


class Meanwhile(Protocol):
    """What others do to the card of a customer who is busy with it."""

    def happens(self, card: Card, luck: Luck) -> None:
        """Perhaps something happens now."""
        ...

    def terminal_comes(self, card: Card, luck: Luck) -> None:
        """A terminal of another city meets the card now."""
        ...


Describe = Callable[[], Json]
"""What a phone says of its element when it opens a session."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that the app knows of; ``report`` is the one that was not acknowledged yet."""

    id: str
    token: str
    report: Report | None = None


class Phone:
    """One app, for the orders of one wallet on one card."""

    def __init__(
        self,
        wallet: Caller,
        card: Card,
        luck: Luck,
        meanwhile: Meanwhile,
        describe: Describe = card_opening,
        *,
        lies: bool = True,
    ) -> None:
        """``describe`` says what a session is opened with; ``lies`` False: an honest phone, whatever else happens."""
        self._lies = lies
        self._describe = describe
        self._wallet = wallet
        self._card = card
        self._luck = luck
        self._meanwhile = meanwhile
        self._kept: Session | None = None
        self._collection = Collection()

    def visit(self, order_id: str, opened: Json | None = None) -> Steps[str]:
        """Open the app once: the session's final state, or why there was none."""
        if self._kept is not None and self._kept.report is not None and opened is None:
            ending = yield from self._continue(self._kept)
            if ending == DONE:
                return ending
        if opened is None:
            body = {"order_id": order_id, **self._describe()}
            reply = yield from self._wallet.ask(self._luck, "POST", "/v1/sessions", body)
            if reply is None or not reply.ok:
                return "no session" if reply is None else reply.code
            opened = reply.json
        self._kept = Session(opened["session_id"], opened["token"])
        return (yield from self._converse(self._kept, opened["batch"]))

    def _continue(self, kept: Session) -> Steps[str]:
        """Hand in the report that was not acknowledged."""
        self._kept = None
        reply = yield from self._send(kept, kept.report)
        if reply is None or not reply.ok:
            return "not acknowledged"
        return (yield from self._converse(kept, reply.json))

    def _converse(self, session: Session, answer: Json) -> Steps[str]:
        while answer["state"] == "continue":
            batch = read_batch(answer)
            self._meanwhile.happens(self._card, self._luck)
            self._collect(batch)
            told = yield from self._run(batch)
            self._meanwhile.happens(self._card, self._luck)
            self._kept = Session(session.id, session.token, lies.true_report(batch, told))
            if self._luck.strikes(Fault.REPORT_HELD_BACK):
                self._meanwhile.terminal_comes(self._card, self._luck)
                yield Pause(self._luck.choice.uniform(10, 120))
            if self._luck.strikes(Fault.PHONE_DIES):
                return "phone died"
            if self._luck.strikes(Fault.PHONE_FORGETS):
                self._kept = None
                return "phone forgot"
            reply = yield from self._hand_in(session, batch, told)
            if reply is None or not reply.ok:
                return "no answer" if reply is None else reply.code
            self._kept = session
            answer = reply.json
        self._kept = None
        return str(answer["state"])

    def _run(self, batch: Batch) -> Steps[contact.Told]:
        if self._lies and self._luck.strikes(Fault.FALSE_SUCCESS):
            made_up = lies.false_success(batch, self._luck.choice)
            if made_up is not None:
                return made_up
        told = yield from contact.run(self._card, batch.orders, self._luck)
        return self._deceiving(batch, told) if self._lies else told

    def _deceiving(self, batch: Batch, told: contact.Told) -> contact.Told:
        """What the owner of collected answers says instead of what the card said."""
        if self._collection.hides(batch, self._luck.choice):
            return contact.Told([], batch.orders[0].i, "se_unavailable")
        if not self._collection.plays(batch, self._luck.choice):
            return told
        made_up = self._collection.instead(batch, told)
        if made_up is not told:
            self._deceive(batch)
        return made_up

    def _collect(self, batch: Batch) -> None:
        can_collect = self._lies and self._collection.fits(batch) and not self._collection.knows(batch)
        if can_collect and self._luck.strikes(Fault.COLLECTED_ANSWER):
            self._collection.gather(self._card, batch)

    def _hand_in(self, session: Session, batch: Batch, told: contact.Told) -> Steps[Reply | None]:
        """Lies first; whatever is not believed is followed by the truth."""
        for fault, lie in lies.lies(batch, told, self._card, self._luck) if self._lies else ():
            if fault is Fault.OLD_ANSWER:
                self._deceive(batch)
            reply = yield from self._send(session, lie, tries=1)
            if reply is not None and reply.ok:
                if fault is Fault.WRONG_SEQ and lie["seq"] > batch.seq:
                    raise Violated("seq is strictly one more", f"{session.id} took seq {lie['seq']}")
                return reply
        reply = yield from self._send(session, lies.true_report(batch, told))
        if reply is not None and reply.code == _FORGED:
            raise Violated("the MAC1 of a card holds", f"{session.id} refused what a card said")
        if reply is not None and reply.ok and self._lies and self._luck.strikes(Fault.OTHER_REPORT):
            yield from self._contradict(session, batch, told)
        return reply

    def _deceive(self, batch: Batch) -> None:
        """An answer of long ago is on its way, and nothing in it tells."""
        if self._collection.fits(batch):
            self._wallet.truth.deceived.add(self._card.digits)

    def _contradict(self, session: Session, batch: Batch, told: contact.Told) -> Steps[None]:
        """The same seq again with another content."""
        other = lies.other_report(batch, told, self._luck.choice)
        if other == lies.true_report(batch, told):
            return
        restores = self._wallet.truth.restores
        reply = yield self._report(session, other)
        if reply is not None and reply.ok and restores == self._wallet.truth.restores:
            raise Violated("a seq is answered once", f"{session.id} answered seq {batch.seq} twice")

    def _send(self, session: Session, report: Any, tries: int = TRIES) -> Steps[Reply | None]:
        """Hand in a report, again while nothing comes back; a conflict is settled by asking for the last answer."""
        for number in range(tries):
            reply: Reply | None = yield self._report(session, report)
            if reply is not None and reply.code == "sequence_conflict" and tries > 1:
                reply = yield self._request(session, "GET", "")
            if reply is not None and not (reply.is_worth_repeating and reply.status not in _OVER):
                return reply
            yield Pause(self._luck.choice.uniform(1, 3) * (number + 1))
        return None

    def _report(self, session: Session, report: Any) -> Request:
        return self._request(session, "POST", "/results", orjson.dumps(report))

    def _request(self, session: Session, method: str, what: str, body: bytes = b"") -> Request:
        return Request(self._luck, method, f"/v1/sessions/{session.id}{what}", body, session.token)
