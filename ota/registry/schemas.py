"""What an answer about a card looks like."""

from marshmallow import Schema, fields


class CardSchema(Schema):
    """A card as its wallet sees it."""

    card_no = fields.String(required=True)
    city = fields.String(required=True)
    product = fields.String(allow_none=True)
    state = fields.String(required=True)
    se_id = fields.String(allow_none=True)
    next_online_atc = fields.Integer(
        allow_none=True,
        metadata={"description": "What the next INITIALIZE FOR LOAD will show; null: never seen"},
    )
