"""What terminal requests and answers look like, and the values they become."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, post_load, validate

from ota.card.apdu import from_hex
from ota.card.purse import LoadAnswer
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CardNumber, Fen, Mac4, TerminalNumber
from ota.dialogue.schemas import (
    Answer,
    BilingualSchema,
    CommandSchema,
    ResultSchema,
    Strict,
    hex_field,
    name_field,
)
from ota.terminal.day import DayReport
from ota.terminal.service import TerminalLoad
from ota.topup.schemas import amount_field, card_number_field, payment_field

MAX_LOADS_OF_A_DAY: Final = 500


def terminal_field() -> fields.String:
    """The terminal's own number."""
    return fields.String(required=True, validate=validate.Regexp(r"\A[0-9]{12}\Z", error="12 digits"))


class InitSchema(Strict):
    """What the card answered to INITIALIZE FOR LOAD."""

    balance = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFFFF_FFFF))
    online_atc = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFFFF))
    key_version = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFF))
    algorithm = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFF))
    random = hex_field(4, 4)
    mac1 = hex_field(4, 4)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> LoadAnswer:
        return LoadAnswer(
            data["balance"],
            data["online_atc"],
            data["key_version"],
            data["algorithm"],
            from_hex("random", data["random"]),
            Mac4(from_hex("mac1", data["mac1"])),
        )


class TerminalLoadSchema(Strict):
    """A paid load for the card on the terminal's reader."""

    terminal_no = terminal_field()
    terminal_seq = fields.Integer(required=True, strict=True, validate=validate.Range(0, 0xFFFF_FFFF))
    card_no = card_number_field()
    amount_fen = amount_field()
    payment = payment_field(required=True)
    init = fields.Nested(InitSchema, required=True)
    ef15 = hex_field(30, 30)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> TerminalLoad:
        return TerminalLoad(
            TerminalNumber(data["terminal_no"]),
            data["terminal_seq"],
            CardNumber(data["card_no"]),
            Fen(data["amount_fen"]),
            data["payment"],
            data["init"],
            from_hex("ef15", data["ef15"]),
        )


class CreditResultSchema(Strict):
    """What the card answered to CREDIT FOR LOAD; without a TAC nothing is proven."""

    sw = hex_field(2, 2)
    tac = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Regexp(r"\A[0-9A-Fa-f]{8}\Z", error="4 bytes as hex digits"),
    )
    balance = fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=validate.Range(0, 0xFFFF_FFFF)
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Mac4 | None:
        tac = data["tac"] if data["sw"] == "9000" else None
        return Mac4(from_hex("tac", tac)) if tac is not None else None


class ProbeSchema(Strict):
    """Ask for a question (no fields), or answer one."""

    nonce = name_field(64, required=False)
    results = fields.List(fields.Nested(ResultSchema), required=False, validate=validate.Length(1, 64))


class ResumeSchema(Strict):
    """The card on the reader may have an open load."""

    terminal_no = terminal_field()
    card_no = card_number_field()


class DayLoadSchema(Strict):
    """One load in a terminal's list."""

    load_id = name_field(40)
    amount_fen = amount_field()


class DaySchema(Strict):
    """A terminal's day: its totals and its list."""

    day = fields.String(required=True, validate=validate.Regexp(r"\A[0-9]{8}\Z", error="YYYYMMDD"))
    count = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_LOADS_OF_A_DAY))
    sum_fen = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_FEN))
    listed = fields.List(
        fields.Nested(DayLoadSchema),
        required=True,
        validate=validate.Length(max=MAX_LOADS_OF_A_DAY),
        data_key="loads",
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> DayReport:
        loads = {load["load_id"]: Fen(load["amount_fen"]) for load in data["listed"]}
        if len(loads) != len(data["listed"]):
            raise InvalidValue("loads", "every load once")
        return DayReport(data["day"], data["count"], Fen(data["sum_fen"]), loads)


class QuestionSchema(Answer):
    """What to ask the card before anything else."""

    nonce = fields.String(required=True)
    commands = fields.List(fields.Nested(CommandSchema), required=True)


class StoppedSchema(Answer):
    """Why a load does not go on."""

    code = fields.String(required=True)
    retryable = fields.Boolean(required=True)
    next_action = fields.String(required=True)
    message = fields.Nested(BilingualSchema, required=True)
    details = fields.Dict()


class MoveSchema(Answer):
    """What the terminal does next."""

    load_id = fields.String(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["authorised", "probe", "loaded", "stopped"])
    )
    order_state = fields.String(required=True)
    money = fields.String(required=True)
    card_no = fields.String(required=True)
    amount_fen = fields.Integer(required=True)
    host_time = fields.String(allow_none=True)
    mac2 = fields.String(allow_none=True)
    apdu = fields.String(allow_none=True, metadata={"description": "CREDIT FOR LOAD, ready to send"})
    probe = fields.Nested(QuestionSchema, allow_none=True)
    problem = fields.Nested(StoppedSchema, allow_none=True)
    receipt = fields.String(allow_none=True, metadata={"description": "JWS over a proven load"})


class DifferenceSchema(Answer):
    """One load on which the lists do not agree."""

    load_id = fields.String(required=True)
    why = fields.String(required=True)


class DayClosingSchema(Answer):
    """The platform's totals of the day, and what differs."""

    day = fields.String(required=True)
    count = fields.Integer(required=True)
    total_fen = fields.Integer(required=True)
    differences = fields.List(fields.Nested(DifferenceSchema), required=True)
