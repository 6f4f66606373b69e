"""What a card's answer means for the work: one error per status word and command, or a malformed answer."""

from ota.card.apdu import Command, Response
from ota.card.meanings import BY_COMMAND, EVERY_COMMAND, UNKNOWN, CommandKind, Meaning
from ota.card.status import StatusWord
from ota.core.errors import CardProblem, NextAction


class MalformedAnswer(CardProblem):
    """A card's answer has not the form that its standard promises. Says what was expected, never what came."""

    code = "malformed_answer"

    def __init__(self, what: str, expected: str) -> None:
        super().__init__(
            english=f"The card's {what} is malformed: expected {expected}.",
            chinese=f"卡片返回的 {what} 格式不正确, 应为: {expected}。",
            details={"what": what, "expected": expected},
        )


class PurseFull(CardProblem):
    """A load would lift the purse above its ceiling; both in fen."""

    code = "purse_full"

    def __init__(self, ceiling_fen: int, room_fen: int) -> None:
        super().__init__(
            english=f"The purse holds at most {ceiling_fen} fen; there is room for {room_fen} fen.",
            chinese=f"电子钱包余额上限为 {ceiling_fen} 分, 最多还可充值 {room_fen} 分。",
            next_action=NextAction.NONE,
            details={"ceiling_fen": ceiling_fen, "room_fen": room_fen},
        )


def meaning_of(kind: CommandKind, sw: StatusWord) -> Meaning:
    """What a status word says about this command: its own table first, then the one of every command.

    A table's key is the whole status word, or the first three or two digits of a family such as 63Cx and 61xx.
    """
    for table in (BY_COMMAND.get(kind, {}), EVERY_COMMAND):
        for key in (str(sw), str(sw)[:3], str(sw)[:2]):
            if key in table:
                return table[key]
    return UNKNOWN


def problem_for(kind: CommandKind, sw: StatusWord) -> CardProblem:
    """The error for a status word that stops the work."""
    meaning = meaning_of(kind, sw)
    details: dict[str, object] = {"command": str(kind), "sw": str(sw)}
    if sw.tries_left is not None:
        details["tries_left"] = sw.tries_left
    return CardProblem(
        code=meaning.code,
        english=f"{meaning.english} (status word {sw})",
        chinese=f"{meaning.chinese} (状态字 {sw})",
        next_action=meaning.action,
        retryable=meaning.action in (NextAction.RETRY_SAME_KEY, NextAction.RESUME),
        details=details,
    )


def silent_element(transport_error: str) -> CardProblem:
    """The error for an element that did not answer at all; the reason is one of the report's fixed words."""
    return CardProblem(
        code="element_silent",
        english="The secure element did not answer; keep the phone on and continue.",
        chinese="安全芯片无响应, 请保持手机开机后继续。",
        next_action=NextAction.RESUME,
        retryable=True,
        details={"transport_error": transport_error},
    )


def require_success(command: Command, response: Response) -> bytes:
    """The answer's data when its status word is 9000; raises the command's CardProblem otherwise."""
    if not response.sw.is_success:
        raise problem_for(kind_of(command), response.sw)
    return response.data


_PLAIN_KINDS = {
    0xA4: CommandKind.SELECT,
    0x82: CommandKind.EXTERNAL_AUTHENTICATE,
    0xE6: CommandKind.INSTALL,
    0xE4: CommandKind.DELETE,
    0xE2: CommandKind.STORE_DATA,
    0xD8: CommandKind.PUT_KEY,
    0xB0: CommandKind.READ,
    0xB2: CommandKind.READ,
    0x5C: CommandKind.GET_BALANCE,
    0x52: CommandKind.CREDIT_FOR_LOAD,
    0x54: CommandKind.DEBIT_FOR_PURCHASE,
    0x5A: CommandKind.GET_TRANSACTION_PROVE,
    0x20: CommandKind.VERIFY_PIN,
    0xD6: CommandKind.UPDATE,
    0xDC: CommandKind.UPDATE,
    0x1E: CommandKind.APPLICATION_BLOCK,
    0x18: CommandKind.APPLICATION_UNBLOCK,
}


def kind_of(command: Command) -> CommandKind:
    """Which table speaks for a command, from its header; secure messaging leaves INS, P1 and P2 as they were."""
    if command.ins == 0x50:  # shared by GlobalPlatform (P2 = 00) and the purse (P2 = 01 or 02, P1 = the use)
        if command.p2 not in (0x01, 0x02):
            return CommandKind.INITIALIZE_UPDATE
        return CommandKind.INITIALIZE_FOR_LOAD if command.p1 == 0 else CommandKind.INITIALIZE_FOR_PURCHASE
    return _PLAIN_KINDS.get(command.ins, CommandKind.OTHER)
