"""Why a ceremony ends without a key. No message holds a component."""

from __future__ import annotations

from ota.core.errors import NextAction, Refused


class CeremonyRefused(Refused):
    """Something about the officers or the components is not as a ceremony needs it; nothing was stored."""

    code = "ceremony_refused"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english=f"{english}.", chinese=f"{chinese}。")


class CeremonyExpired(Refused):
    """The officers took longer than the ceremony's limit; what was entered is gone."""

    code = "ceremony_expired"
    next_action = NextAction.CONTACT_SERVICE
    english = "The time limit of the ceremony has passed; what was entered was wiped, nothing was stored."
    chinese = "仪式已超时, 已输入的分量已清除, 未存入任何密钥。"
