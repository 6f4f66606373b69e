"""What a wallet's feed looks like, and how it is asked for."""

from __future__ import annotations

import marshmallow as ma

from ota.web.fields import MAX_INTEGER

LONGEST_PAGE = 200


class PageQuerySchema(ma.Schema):
    """Which part of the feed."""

    after = ma.fields.Integer(
        load_default=0,
        validate=ma.validate.Range(0, MAX_INTEGER),
        metadata={"description": "What `next` said last; 0 for the beginning"},
    )
    limit = ma.fields.Integer(load_default=100, validate=ma.validate.Range(1, LONGEST_PAGE))


class EventSchema(ma.Schema):
    """Something that happened to an order or a card of the wallet."""

    event_id = ma.fields.String(required=True)
    position = ma.fields.Integer(required=True)
    card_position = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    card_no = ma.fields.String(required=True, metadata={"description": "First and last digits"})
    at = ma.fields.String(required=True)
    data = ma.fields.Dict(required=True)


class PageSchema(ma.Schema):
    """Events in their order, without gaps; `next` is where the following page begins."""

    events = ma.fields.List(ma.fields.Nested(EventSchema), required=True)
    next = ma.fields.Integer(required=True)
    more = ma.fields.Boolean(required=True)
