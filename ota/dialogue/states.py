"""What may happen to a session with a card (PROTOCOL.md, sessions)."""

from enum import StrEnum

from ota.core.machine import Machine


class SessionState(StrEnum):
    """How a conversation stands; every state but ``continue`` is final."""

    CONTINUE = "continue"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class SessionEvent(StrEnum):
    """What a report or a caller makes of a session."""

    BATCH_SENT = "batch_sent"
    WORK_FINISHED = "work_finished"
    WORK_FAILED = "work_failed"
    CARD_LOST = "card_lost"
    CANCELLED = "cancelled"


_S, _E = SessionState, SessionEvent

SESSION = Machine[SessionState, SessionEvent](
    "session",
    {
        (_S.CONTINUE, _E.BATCH_SENT): _S.CONTINUE,
        (_S.CONTINUE, _E.WORK_FINISHED): _S.DONE,
        (_S.CONTINUE, _E.WORK_FAILED): _S.FAILED,
        (_S.CONTINUE, _E.CARD_LOST): _S.UNCERTAIN,
        (_S.CONTINUE, _E.CANCELLED): _S.FAILED,
    },
)
