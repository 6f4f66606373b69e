"""What cities' hosts and this platform say to each other about loads, and the values it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, post_load, validate

from ota.card.apdu import from_hex
from ota.card.purse import LOAD, Load, LoadAnswer
from ota.city_hosts.service import LoadName, Question
from ota.core.values import CardNumber, CardTime, Fen, Mac4
from ota.dialogue.schemas import Answer, Strict, hex_field, name_field
from ota.topup.schemas import amount_field, card_number_field

LOAD_ID_LENGTH: Final = 64


class CityCardAnswerSchema(Strict):
    """What the card answered to INITIALIZE FOR LOAD."""

    balance = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFFFF_FFFF))
    online_atc = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFFFF))
    key_version = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFF))
    algorithm = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFF))
    random = hex_field(4, 4)
    mac1 = hex_field(4, 4)


class CityCheckSchema(Strict):
    """A card's answer to INITIALIZE FOR LOAD, and what it was asked with."""

    card_no = card_number_field()
    amount_fen = amount_field()
    terminal_no = hex_field(6, 6)
    transaction_type = fields.Integer(required=True, strict=True, validate=validate.Equal(LOAD))
    init = fields.Nested(CityCardAnswerSchema, required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Question:
        return Question(CardNumber(data["card_no"]), read_load(data), data, data.get("load_id", ""))


class CityAuthoriseSchema(CityCheckSchema):
    """The same for a load that is to happen: under the city's name for it, at a date and time."""

    load_id = name_field(LOAD_ID_LENGTH)
    host_time = fields.String(
        required=True, validate=validate.Regexp(r"\A[0-9]{14}\Z", error="YYYYMMDDhhmmss")
    )


class CityLoadNameSchema(Strict):
    """A load by its name."""

    load_id = name_field(LOAD_ID_LENGTH)
    card_no = card_number_field()

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> LoadName:
        return LoadName(data["load_id"], CardNumber(data["card_no"]))


class CityConfirmSchema(Strict):
    """The card's TAC of a load."""

    load_id = name_field(LOAD_ID_LENGTH)
    card_no = card_number_field()
    tac = fields.String(
        required=True,
        allow_none=True,
        validate=validate.Regexp(r"\A[0-9A-Fa-f]{8}\Z", error="4 bytes as hex digits"),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> tuple[LoadName, Mac4 | None]:
        tac = Mac4(from_hex("tac", data["tac"])) if data["tac"] is not None else None
        return LoadName(data["load_id"], CardNumber(data["card_no"])), tac


class CityCheckedSchema(Answer):
    """MAC1 holds, and the card could be loaded now."""

    card_no = fields.String(required=True)
    online_atc = fields.Integer(required=True)
    mac1 = fields.String(required=True, validate=validate.Equal("holds"))


class CityLoadSchema(Answer):
    """A load as it stands; MAC2 while it is authorised."""

    load_id = fields.String(required=True)
    card_no = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["unheard", "authorised", "loaded", "void"]))
    online_atc = fields.Integer()
    mac2 = fields.String()


def read_load(asked: Mapping[str, Any]) -> Load:
    """The load that these fields describe; raises InvalidValue."""
    init = asked["init"]
    answer = LoadAnswer(
        init["balance"],
        init["online_atc"],
        init["key_version"],
        init["algorithm"],
        from_hex("random", init["random"]),
        Mac4(from_hex("mac1", init["mac1"])),
    )
    at = CardTime(asked["host_time"]) if "host_time" in asked else None
    return Load(Fen(asked["amount_fen"]), from_hex("terminal_no", asked["terminal_no"]), answer, at)
