"""Every error a caller can meet, each with a stable code and what to do next.

OtaError
├── BadRequest            what was sent is wrong; sending it again will not help
│   ├── InvalidValue          a field is outside what it may be
│   └── InvalidReport         a phone's or terminal's report contradicts the batch it answers
├── Refused               the request is understood and not granted
│   ├── Unauthenticated       no proof, or one that does not hold
│   ├── NotAllowed            the proof holds, the caller may not do this
│   └── NotFound              no such thing, or not the caller's
├── Conflict              the world is in another state than the request assumes
│   ├── NotInThisState        a state machine has no such step
│   └── Busy                  the same thing is being done right now
├── CardProblem           the card or the secure element answered something that stops the work
├── IntegrityProblem      a MAC, a cryptogram or a counter does not hold: evidence is kept, nothing is promised
└── Unavailable           the platform or a partner cannot answer now; nothing was done

Each class maps to one HTTP status in `ota.web.problems`; the `code` is what callers program against.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar


class NextAction(StrEnum):
    """What a caller should do after an error (PROTOCOL.md)."""

    RETRY_SAME_KEY = "retry_same_key"
    RESUME = "resume"
    CONTACT_SERVICE = "contact_service"
    NONE = "none"


class OtaError(Exception):
    """An error with a stable code, a message in two languages and the next action."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    next_action: ClassVar[NextAction] = NextAction.NONE
    english: ClassVar[str] = "The request could not be carried out."
    chinese: ClassVar[str] = "请求无法完成。"

    def __init__(
        self,
        *,
        code: str | None = None,
        english: str | None = None,
        chinese: str | None = None,
        next_action: NextAction | None = None,
        retryable: bool | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        kind = type(self)
        self.problem_code = code or kind.code
        self.message = MappingProxyType({"en": english or kind.english, "zh-CN": chinese or kind.chinese})
        self.action = next_action or kind.next_action
        self.may_retry = kind.retryable if retryable is None else retryable
        self.details = MappingProxyType(dict(details or {}))
        super().__init__(self.message["en"])


class BadRequest(OtaError):
    """What was sent is wrong; sending it again will not help."""

    code = "bad_request"
    english = "The request is not well formed."
    chinese = "请求格式不正确。"


class InvalidValue(BadRequest):
    """A field is outside what it may be. Names the field and what was expected, never the value."""

    code = "invalid_value"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(
            english=f"{field}: expected {expected}.",
            chinese=f"{field} 无效, 应为: {expected}。",
            details={"field": field, "expected": expected},
        )


class InvalidReport(BadRequest):
    """A report contradicts the batch that it answers."""

    code = "invalid_report"

    def __init__(self, why: str) -> None:
        super().__init__(
            english=f"The report does not fit the batch: {why}.",
            chinese=f"执行结果与指令批次不符: {why}。",
            next_action=NextAction.RESUME,
            details={"why": why},
        )


class Refused(OtaError):
    """The request is understood and not granted."""

    code = "refused"
    english = "The request is refused."
    chinese = "请求被拒绝。"


class Unauthenticated(Refused):
    """No proof of who is asking, or one that does not hold."""

    code = "unauthenticated"
    english = "A valid access token is needed."
    chinese = "需要有效的访问令牌。"


class NotAllowed(Refused):
    """The caller is known and may not do this."""

    code = "not_allowed"
    english = "This caller may not do this."
    chinese = "无权执行此操作。"


class NotFound(Refused):
    """No such thing, or it belongs to somebody else: the two are not told apart."""

    code = "not_found"
    english = "There is no such thing here."
    chinese = "未找到。"


class Conflict(OtaError):
    """The world is in another state than the request assumes."""

    code = "conflict"
    english = "The request does not fit the present state."
    chinese = "请求与当前状态冲突。"


class NotInThisState(Conflict):
    """A state machine has no such step from here."""

    code = "not_in_this_state"

    def __init__(self, subject: str, state: str, event: str) -> None:
        super().__init__(
            english=f"The {subject} is {state}: {event} is not possible now.",
            chinese=f"{subject} 当前状态为 {state}, 不能执行 {event}。",
            details={"subject": subject, "state": str(state), "event": str(event)},
        )


class Busy(Conflict):
    """The same thing is being done right now; ask again in a moment."""

    code = "busy"
    retryable = True
    next_action = NextAction.RETRY_SAME_KEY
    english = "The same request is still running; repeat it in a moment."
    chinese = "相同请求正在处理中, 请稍后重试。"


class CardProblem(OtaError):
    """The card or the secure element answered something that stops the work."""

    code = "card_problem"
    english = "The card answered something that stops the work."
    chinese = "卡片返回异常, 操作已停止。"
    next_action = NextAction.RESUME


class IntegrityProblem(OtaError):
    """A MAC, a cryptogram or a counter does not hold: evidence is kept, nothing is promised."""

    code = "integrity_problem"
    english = "A cryptographic check failed; nothing was changed."
    chinese = "密码校验失败, 未做任何变更。"
    next_action = NextAction.CONTACT_SERVICE


class Unavailable(OtaError):
    """The platform or a partner cannot answer now; nothing was done."""

    code = "unavailable"
    retryable = True
    next_action = NextAction.RETRY_SAME_KEY
    english = "The platform cannot do this now; try again later."
    chinese = "平台暂时无法处理, 请稍后重试。"
