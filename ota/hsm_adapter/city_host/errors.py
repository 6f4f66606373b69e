"""What can come of asking a city's host, and of a message whose signature does not hold."""

from __future__ import annotations

from ota.core.errors import NextAction, Refused, Unauthenticated, Unavailable


class CityHostUnavailable(Unavailable):
    """The host could not be reached: it has not heard the question."""

    code = "city_host_unavailable"
    english = "The card's own city cannot be reached now; nothing was done. Try again later."
    chinese = "发卡城市平台暂时无法连接, 未做任何处理, 请稍后重试。"


class CityHostUnknown(Unavailable):
    """The host may have heard the question and gave no answer that counts: late, altered, or about another load."""

    code = "city_host_unknown"
    english = "The card's own city gave no valid answer in time; nothing was promised. Try again."
    chinese = "发卡城市平台未在限定时间内给出有效应答, 未作任何承诺, 请重试。"


class CityHostRefused(Refused):
    """The host refuses, in its own signed words; ``reason`` is its code."""

    code = "city_host_refused"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, reason: str) -> None:
        super().__init__(
            english=f"The card's own city refuses this load ({reason}).",
            chinese=f"发卡城市平台拒绝本次充值 ({reason})。",
            details={"reason": reason},
        )
        self.reason = reason


class MessageSignatureWrong(Unauthenticated):
    """A message is not signed as it must be. The sender is not told which part does not hold; ``why`` is for the log."""

    code = "message_signature_wrong"
    english = "The message is not signed as agreed (RFC 9421: method, path, content-digest, date; ES256)."
    chinese = "报文签名无效 (RFC 9421: 方法、路径、摘要、日期; ES256)。"

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why
