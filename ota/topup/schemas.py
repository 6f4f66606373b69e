"""What top-up requests and answers look like, and the values they become."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from ota.core.values import MAX_FEN, CardNumber, Fen
from ota.dialogue.schemas import Answer, OpenedSchema, OpeningSchema, Strict
from ota.topup.service import NewTopup


def card_number_field() -> fields.String:
    """The 19 digits of a card."""
    return fields.String(required=True, validate=validate.Regexp(r"\A[0-9]{19}\Z", error="19 digits"))


def amount_field() -> fields.Integer:
    """An amount in fen."""
    return fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_FEN))


def payment_field(*, required: bool) -> fields.String:
    """A payment, signed by the caller."""
    return fields.String(
        required=required,
        validate=validate.Regexp(
            r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z", error="a compact JWS"
        ),
        metadata={
            "description": "Compact JWS of type payment+jwt by the caller's key: channel, trade_no, "
            "amount_fen, currency CNY, paid_at"
        },
    )


class NewTopupSchema(Strict):
    """Order a top-up; with a payment and an opening, the answer holds the first batch."""

    card_no = card_number_field()
    amount_fen = amount_field()
    payment = payment_field(required=False)
    session = fields.Nested(OpeningSchema, required=False)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> tuple[NewTopup, Any]:
        wanted = NewTopup(CardNumber(data["card_no"]), Fen(data["amount_fen"]), data.get("payment"))
        return wanted, data.get("session")


class CardQuerySchema(Strict):
    """Which card."""

    card_no = card_number_field()


class PaymentNoticeSchema(Strict):
    """A payment for an order that was made unpaid."""

    payment = payment_field(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> str:
        return str(data["payment"])


class TopupSchema(Answer):
    """An order: its state, where the money is, and what to do next."""

    order_id = fields.String(required=True)
    state = fields.String(required=True)
    card_no = fields.String(required=True)
    city = fields.String(required=True)
    amount_fen = fields.Integer(required=True)
    money = fields.String(required=True)
    next_step = fields.String(required=True)
    session = fields.Nested(OpenedSchema, allow_none=True)


class TopupListSchema(Answer):
    """Orders of a card that wait for a contact."""

    orders = fields.List(fields.Nested(TopupSchema), required=True)


class RefundSchema(Answer):
    """Money on its way back to the trade that it came from."""

    refund_id = fields.String(required=True)
    payment_id = fields.String(required=True)
    refund_key = fields.String(required=True)
    amount_fen = fields.Integer(required=True)
    reason = fields.String(required=True)
    state = fields.String(required=True)


class RefundListSchema(Answer):
    """The refunds of an order, oldest first."""

    refunds = fields.List(fields.Nested(RefundSchema), required=True)
