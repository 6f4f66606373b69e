"""What issuance requests and answers look like, and the values they become."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from ota.core.values import MAX_FEN, Fen
from ota.dialogue.schemas import Answer, OpenedSchema, OpeningSchema, Strict, name_field
from ota.issuance.service import FirstLoad, NewIssuance

_CITY_NAME = validate.Length(1, 32)


def _payment(*, required: bool) -> fields.String:
    return fields.String(
        required=required,
        validate=validate.Regexp(
            r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z", error="a compact JWS"
        ),
        metadata={"description": "Compact JWS of type payment+jwt by the caller's key"},
    )


class EligibilityRequestSchema(Strict):
    """May this element take a card of this city now?"""

    city = fields.String(required=True, validate=_CITY_NAME)
    se_id = name_field(128)


class ElementQuerySchema(Strict):
    """Which element."""

    se_id = name_field(128)


class LimitsSchema(Answer):
    """What the city allows in one load, and in the purse."""

    min_load_fen = fields.Integer(required=True)
    max_load_fen = fields.Integer(required=True)
    balance_ceiling_fen = fields.Integer(required=True)


class OfferSchema(Answer):
    """A card that can be issued."""

    city = fields.String(required=True)
    city_name = fields.Dict(required=True)
    brand = fields.String(required=True)
    product = fields.String(required=True)
    product_name = fields.Dict(required=True)
    fee_fen = fields.Integer(required=True)
    limits = fields.Nested(LimitsSchema, required=True)


class OffersSchema(Answer):
    """Every card that can be issued now."""

    products = fields.List(fields.Nested(OfferSchema), required=True)


class EligibilitySchema(Answer):
    """Whether an order would be taken, and what stands against it."""

    eligible = fields.Boolean(required=True)
    conflicts = fields.List(fields.String(), required=True)
    city = fields.String(required=True)
    product = fields.String(required=True)
    fee_fen = fields.Integer(required=True)
    limits = fields.Nested(LimitsSchema, required=True)


class FirstLoadSchema(Strict):
    """Money that goes onto the card as soon as it is active."""

    amount_fen = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_FEN))
    payment = _payment(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> FirstLoad:
        return FirstLoad(Fen(data["amount_fen"]), data["payment"])


class NewIssuanceSchema(Strict):
    """Order a blank card for an element; with an opening, the answer holds the first batch."""

    city = fields.String(required=True, validate=_CITY_NAME)
    se_id = name_field(128)
    payment = _payment(required=False)
    first_load = fields.Nested(FirstLoadSchema, required=False)
    session = fields.Nested(OpeningSchema, required=False)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> tuple[NewIssuance, Any]:
        wanted = NewIssuance(data["city"], data["se_id"], data.get("payment"), data.get("first_load"))
        return wanted, data.get("session")


class IssuanceSchema(Answer):
    """An order: its state, the card, and what to do next."""

    order_id = fields.String(required=True)
    state = fields.String(required=True)
    city = fields.String(required=True)
    product = fields.String(required=True)
    card_no = fields.String(required=True)
    applications = fields.List(fields.String(), required=True)
    first_load_id = fields.String(allow_none=True)
    next_step = fields.String(required=True)
    session = fields.Nested(OpenedSchema, allow_none=True)


class IssuanceListSchema(Answer):
    """Orders of an element that wait for a contact."""

    orders = fields.List(fields.Nested(IssuanceSchema), required=True)
