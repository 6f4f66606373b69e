"""A small history in which everything has happened to some payment: what the reports are tried on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ota.sandbox.element.card_os import Element
from ota.service_desk.states import Action
from ota.store.engine import open_engine
from ota.store.phases import Store
from ota.topup.refund_port import RefundAnswer
from ota.topup.refunds import Refunds
from tests.desks import ScriptedDesk
from tests.elements import blank
from tests.platform import Platform, number

CARD = number(903).digits


@dataclass
class Lives:
    """The platform and the orders in it, by what became of them."""

    platform: Platform
    element: Element = field(default_factory=blank)
    orders: dict[str, str] = field(default_factory=dict)

    def live(self) -> Lives:
        """Let everything happen once: 9 payments of 5000, and one of 4000 that fits no order."""
        platform = self.platform
        platform.built.runner.sweep()  # the calendar reaches beyond today
        card_no = platform.issue(self.element)
        for name in ("paid", "refunding", "refunded", "refused", "surplus"):
            self.orders[name] = str(platform.order_topup(CARD)["order_id"])
        self.orders["created"] = str(platform.order_topup(CARD, payment=None)["order_id"])
        for name in ("refunding", "refunded", "refused"):
            platform.post(f"/v1/topups/{self.orders[name]}/refund")
        self.send("refunded", RefundAnswer.DONE)
        self.send("refused", RefundAnswer.REFUSED)
        body = {"payment": platform.payment(4000)}
        platform.post(f"/v1/topups/{self.orders['surplus']}/payment", body)
        self.orders["loaded"] = str(platform.order_topup(card_no)["order_id"])
        platform.open(self.orders["loaded"], self.element).finish()
        self.orders["written_off"] = self.doubted(card_no)
        self.decide(Action.WRITE_OFF, self.orders["written_off"])
        self.orders["dead"] = self.doubted(card_no)
        self.orders["uncertain"] = self.doubted(card_no)
        return self

    def doubted(self, card_no: str) -> str:
        """An order whose MAC2 left; its contact settled what was open before."""
        self.element.reset()
        order_id = str(self.platform.order_topup(card_no)["order_id"])
        self.platform.open(order_id, self.element).step()
        self.platform.clock.advance(minutes=3)
        self.platform.built.runner.run_due()
        return order_id

    def refund(self, name: str) -> str:
        answer = self.platform.get(f"/v1/topups/{self.orders[name]}/refunds")
        return str((answer.json or {})["refunds"][0]["refund_id"])

    def payment(self, name: str) -> str:
        (row,) = self.platform.rows(
            "SELECT id FROM payment WHERE order_id = :id AND surplus IS NULL", id=self.orders[name]
        )
        return str(row.id)

    def send(self, name: str, answer: RefundAnswer) -> None:
        built = self.platform.built
        desk = ScriptedDesk(sends=[answer])
        Refunds(built.store, desk, self.platform.clock, timedelta(days=7)).send(self.refund(name))

    def decide(self, action: Action, subject: str) -> None:
        body = {"action": action.value, "subject_id": subject, "reason": "lost"}
        proposed = self.platform.post("/v1/service/decisions", body, by="supervisor").json or {}
        path = f"/v1/service/decisions/{proposed['decision_id']}/approve"
        assert self.platform.post(path, by="second").status_code == 200


@dataclass(frozen=True)
class History:
    """A database in which all of that has happened, to be copied, and the names of what is in it."""

    database: Path
    names: Mapping[str, str]

    @classmethod
    def of(cls, lives: Lives, database: Path) -> History:
        """Close the platform and keep its database; a payment is called as its order is, with ``payment_`` before."""
        payments = {f"payment_{name}": lives.payment(name) for name in lives.orders if name != "created"}
        lives.platform.built.store.close()
        return cls(database, lives.orders | payments)

    def tampered(self, copy: Path, *statements: str) -> Store:
        """A copy that an administrator has changed: with the guards of the append-only tables taken off."""
        shutil.copy(self.database, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement, self.names)
        return Store(open_engine(f"sqlite:///{copy}"))
