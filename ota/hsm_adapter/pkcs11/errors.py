"""What can go wrong with a token. What callers read names no path; ``str(error)`` and the log say which one."""

from __future__ import annotations

from ota.core.errors import NextAction, Refused
from ota.hsm_adapter.errors import HsmUnavailable, KeyProblem


class TokenUnavailable(HsmUnavailable):
    """The token did not answer, twice where once may have been an accident; nothing was computed."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.args = (f"The security module cannot answer: {why}.",)


class TokenThreadTaken(TokenUnavailable):
    """The token had no fair chance: the process's one thread was at work for somebody else, perhaps for another token."""


class HsmPinWrong(Refused):
    """The token refused the PIN. It is not tried again: tokens lock themselves after a few wrong ones."""

    code = "hsm_pin_wrong"
    next_action = NextAction.CONTACT_SERVICE
    english = "The security module refused its PIN; it is not tried again until an operator has corrected it."
    chinese = "密钥机口令错误, 已停止重试, 请运维人员更正。"


class PinUnreadable(Refused):
    """The PIN's file is missing, empty, or open to others than its owner."""

    code = "hsm_pin_unreadable"
    next_action = NextAction.CONTACT_SERVICE
    english = "The security module's PIN cannot be read."
    chinese = "无法读取密钥机口令。"

    def __init__(self, why: str) -> None:
        super().__init__()
        self.args = (f"The security module's PIN cannot be read: {why}.",)


class KeyAttributesWeak(KeyProblem):
    """A key on the token may do more than its role needs, so that it could be read out or misused."""

    code = "key_attributes_weak"

    def __init__(self, key: object, why: str) -> None:
        super().__init__(key, f"The key on the token is refused ({why})", f"令牌中的密钥被拒绝 ({why})")


class KeyNeedsPath(KeyProblem):
    """Half of a key is needed, and a token gives no half of a key that it holds; of a derived key it can."""

    code = "key_needs_path"

    def __init__(self, key: object) -> None:
        super().__init__(
            key,
            "The token can do this with a derived key only, not with the key itself",
            "令牌仅支持用分散后的密钥执行此操作",
        )


class TokenExists(Refused):
    """A token of this label is there already, with the keys that it holds."""

    code = "token_exists"
    english = "A token of this label exists already; it is left as it is."
    chinese = "同名令牌已存在, 未做任何变更。"
