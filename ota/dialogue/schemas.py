"""What a session's requests and answers look like, and the values they become."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, fields, post_load, validate

from ota.card.apdu import from_hex
from ota.card.batch import MAX_COMMANDS, BatchResult, Report, TransportError
from ota.card.status import StatusWord
from ota.dialogue.element import MAX_APDU, MIN_APDU, MIN_BATCH, Capabilities, ElementInfo, Opening, collect
from ota.dialogue.service import Message

MAX_PRECOLLECTED: Final = 64


def hex_field(low: int, high: int, *, required: bool = True, what: str = "") -> fields.String:
    """A text of hex digits for ``low`` to ``high`` bytes."""
    pattern = rf"\A(?:[0-9A-Fa-f]{{2}}){{{low},{high}}}\Z"
    return fields.String(
        required=required,
        validate=validate.Regexp(pattern, error=f"{low} to {high} bytes as hex digits"),
        metadata={"description": what} if what else {},
    )


def name_field(longest: int, *, required: bool = True, what: str = "") -> fields.String:
    """A short name: visible ASCII characters."""
    return fields.String(
        required=required,
        validate=validate.Regexp(
            rf"\A[!-~]{{1,{longest}}}\Z", error=f"1 to {longest} visible ASCII characters"
        ),
        metadata={"description": what} if what else {},
    )


class Strict(Schema):
    """A request body: unknown fields are errors."""

    class Meta:
        """Settings of marshmallow."""

        unknown = RAISE


class ElementSchema(Strict):
    """The secure element and the security domain through which it is reached."""

    type = name_field(16, what="eSE, SIM or another word of the wallet's")
    se_id = name_field(128, what="The element's own name, the same for its whole life")
    cplc = hex_field(0, 64, required=False)
    sd_aid = hex_field(5, 16)
    scp = fields.String(required=True, validate=validate.OneOf(["02", "03"]))
    i = hex_field(1, 1, what="Parameter i of the secure channel protocol")
    key_version = hex_field(1, 1)
    sequence = hex_field(
        2, 3, required=False, what="Sequence counter (GET DATA 00C1), for a predicted challenge"
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> ElementInfo:
        return ElementInfo(
            type=data["type"],
            se_id=data["se_id"],
            sd_aid=from_hex("sd_aid", data["sd_aid"]),
            scp=data["scp"],
            i=int(data["i"], 16),
            key_version=int(data["key_version"], 16),
            sequence=from_hex("sequence", data["sequence"]) if "sequence" in data else None,
            cplc=from_hex("cplc", data["cplc"]) if "cplc" in data else None,
        )


class CapabilitiesSchema(Strict):
    """What the phone's channel to the element can do."""

    max_apdu = fields.Integer(strict=True, load_default=MAX_APDU, validate=validate.Range(MIN_APDU, MAX_APDU))
    max_batch = fields.Integer(strict=True, load_default=64, validate=validate.Range(MIN_BATCH, MAX_COMMANDS))
    stop_on_sw = fields.Boolean(load_default=True, validate=validate.Equal(True))
    get_response = fields.Boolean(
        load_default=True,
        validate=validate.Equal(True),
        metadata={
            "description": "61xx is fetched and 6Cxx repeated, by the channel or by the phone's software"
        },
    )
    idle_limit_ms = fields.Integer(
        strict=True,
        load_default=15_000,
        validate=validate.Range(1_000, 600_000),
        metadata={"description": "After this long without a command the channel lets go of the element"},
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Capabilities:
        return Capabilities(data["max_apdu"], data["max_batch"], data["idle_limit_ms"])


class CollectedSchema(Strict):
    """One exchange that the wallet had with the card before it asked."""

    apdu = hex_field(4, 261)
    sw = hex_field(2, 2)
    data = hex_field(0, 256, required=False)


class OpeningSchema(Strict):
    """What a caller says when it opens a session."""

    se = fields.Nested(ElementSchema, required=False)
    caps = fields.Nested(CapabilitiesSchema, required=False)
    precollected = fields.List(
        fields.Nested(CollectedSchema), required=False, validate=validate.Length(max=MAX_PRECOLLECTED)
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Opening:
        return opening_of(data)


class NewSessionSchema(OpeningSchema):
    """Open a session for an order."""

    order_id = name_field(40, what="An issuance or a top-up order of the caller")

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> tuple[str, Opening]:
        return data["order_id"], opening_of(data)


class ResultSchema(Strict):
    """What the card answered to one command."""

    i = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_COMMANDS))
    sw = hex_field(2, 2)
    data = hex_field(0, 256, required=False)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> BatchResult:
        return BatchResult(data["i"], StatusWord.from_hex(data["sw"]), from_hex("data", data.get("data", "")))


class ReportSchema(Strict):
    """The results of a batch."""

    seq = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10_000))
    digest = fields.String(required=True, validate=validate.Regexp(r"\Asha256:[0-9a-f]{64}\Z"))
    executed = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_COMMANDS))
    results = fields.List(
        fields.Nested(ResultSchema), required=True, validate=validate.Length(max=MAX_COMMANDS)
    )
    stopped_at = fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=validate.Range(1, MAX_COMMANDS)
    )
    transport_error = fields.Enum(TransportError, by_value=True, allow_none=True, load_default=None)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Message:
        report = Report(data["executed"], tuple(data["results"]), data["stopped_at"], data["transport_error"])
        return Message(data["seq"], data["digest"], report)


class Answer(Schema):
    """An answer's shape, for the description; what is sent was stored as bytes."""

    class Meta:
        """Settings of marshmallow."""

        unknown = EXCLUDE


class CommandSchema(Answer):
    """One command of a batch."""

    i = fields.Integer(required=True)
    apdu = fields.String(required=True)
    expect = fields.String(required=True, metadata={"description": "Status words that let the batch go on"})
    note = fields.String()


class BilingualSchema(Answer):
    """A sentence in both languages."""

    zh = fields.String(data_key="zh-CN", attribute="zh-CN", required=True)
    en = fields.String(required=True)


class ProgressSchema(Answer):
    """What a phone may show its user."""

    step = fields.String(required=True)
    percent = fields.Integer(required=True)
    message = fields.Nested(BilingualSchema, required=True)


class EndingProblemSchema(Answer):
    """Why a session ended without success."""

    code = fields.String(required=True)
    retryable = fields.Boolean(required=True)
    next_action = fields.String(required=True)
    message = fields.Nested(BilingualSchema, required=True)
    details = fields.Dict()


class SessionAnswerSchema(Answer):
    """The next batch (state continue), or how the session ended."""

    session_id = fields.String(required=True)
    seq = fields.Integer(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(["continue", "wait", "done", "failed", "uncertain", "cancelled"]),
    )
    digest = fields.String()
    deadline_ms = fields.Integer()
    commands = fields.List(fields.Nested(CommandSchema))
    on_mismatch = fields.String()
    progress = fields.Nested(ProgressSchema, allow_none=True)
    outcome = fields.Dict()
    receipt = fields.String(allow_none=True, metadata={"description": "JWS over the outcome"})
    problem = fields.Nested(EndingProblemSchema, allow_none=True)


class OpenedSchema(Answer):
    """A new session, the token for its phone, and the first batch."""

    session_id = fields.String(required=True)
    token = fields.String(required=True)
    batch = fields.Nested(SessionAnswerSchema, required=True)


def opening_of(data: dict[str, Any]) -> Opening:
    """The opening inside a request's loaded fields."""
    known = [(entry["apdu"], entry["sw"], entry.get("data", "")) for entry in data.get("precollected", ())]
    return Opening(data.get("se"), data.get("caps") or Capabilities(), collect(known))
