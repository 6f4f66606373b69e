"""What can go wrong with keys. No message holds key data, a MAC or a card number."""

from ota.core.errors import CardProblem, IntegrityProblem, NextAction, Refused, Unavailable


class Mac1Wrong(IntegrityProblem):
    """MAC1 of INITIALIZE FOR LOAD does not hold: no MAC2 is made."""

    code = "mac1_wrong"
    english = "The card's load request could not be verified (MAC1); nothing was loaded."
    chinese = "卡片圈存请求校验失败 (MAC1), 未充值。"


class TacWrong(IntegrityProblem):
    """The TAC of a load does not hold: the load is suspicious (CARD.md 6, rule 5)."""

    code = "tac_wrong"
    english = "The card's proof of the load could not be verified (TAC)."
    chinese = "卡片交易认证码校验失败 (TAC)。"


class CardCryptogramWrong(IntegrityProblem):
    """The secure element did not prove that it holds the keys: the channel is not opened."""

    code = "card_cryptogram_wrong"
    english = "The secure element could not be authenticated; the secure channel was not opened."
    chinese = "安全芯片认证失败, 安全通道未建立。"


class ResponseMacWrong(IntegrityProblem):
    """An answer over the secure channel does not carry the MAC that it must: it is not believed."""

    code = "response_mac_wrong"
    english = "An answer of the secure element was altered on its way (R-MAC)."
    chinese = "安全芯片响应校验失败 (R-MAC)。"


class ChannelAltered(IntegrityProblem):
    """A stored channel or ticket is not as the HSM's side wrote it, or belongs to another order: it is not used."""

    code = "secure_channel_altered"
    english = "The stored state of the secure channel was altered; the session is not continued."
    chinese = "保存的安全通道状态被改动, 会话已停止。"


class PredictionMissed(CardProblem):
    """The card's INITIALIZE UPDATE answer is genuine or not, but it is not the one that was predicted."""

    code = "prediction_missed"
    english = "The secure element's counter moved on; the channel is opened again with its answer."
    chinese = "安全芯片计数器已变化, 需重新建立安全通道。"
    retryable = True


class ChannelMismatch(CardProblem):
    """The security domain answered for another protocol or key version than was asked of it."""

    code = "secure_channel_mismatch"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(
            english=f"The security domain answered with another {field}; expected {expected}.",
            chinese=f"安全域返回的 {field} 不符, 应为: {expected}。",
            details={"field": field, "expected": expected},
        )


class KeyProblem(Refused):
    """A key cannot be used for what was asked."""

    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, key: object, english: str, chinese: str) -> None:
        super().__init__(
            english=f"{english}: {key}.", chinese=f"{chinese}: {key}。", details={"key": str(key)}
        )


class KeyUnknown(KeyProblem):
    """The HSM has no key of this name; another version is never tried."""

    code = "key_version_unknown"

    def __init__(self, key: object) -> None:
        super().__init__(key, "The HSM has no such key", "密钥机中没有该密钥")


class KeyNotUsable(KeyProblem):
    """The key's state does not allow this: pre-active, verify-only or retired."""

    code = "key_not_usable"

    def __init__(self, key: object, state: str) -> None:
        super().__init__(key, f"The key is {state}", f"密钥状态为 {state}")


class KeyMisuse(KeyProblem):
    """A key is asked to do what another role is for; mixing roles would turn the HSM into an oracle."""

    code = "key_misuse"

    def __init__(self, key: object) -> None:
        super().__init__(key, "The key's role does not allow this operation", "该密钥用途不允许此操作")


class AlgorithmNotSupported(KeyProblem):
    """This HSM, or this operation, does not know the algorithm."""

    code = "algorithm_not_supported"

    def __init__(self, algorithm: object) -> None:
        super().__init__(algorithm, "The algorithm is not supported here", "不支持该算法")


class ExposureRefused(Refused):
    """The operation would show more of a card key outside the token than this deployment allows."""

    code = "exposure_refused"
    english = "This deployment does not allow an operation that exposes a card key."
    chinese = "当前部署不允许会暴露卡片密钥的操作。"


class KeyRefused(KeyProblem):
    """A key may not enter the store: weak, published, or already there under this name."""

    code = "key_refused"

    def __init__(self, key: object, why: str) -> None:
        super().__init__(key, f"The key is refused ({why})", f"密钥被拒绝 ({why})")


class KeyStoreDamaged(IntegrityProblem):
    """The key store was altered, rolled back, or belongs to another key-encryption key. Nothing is used from it."""

    code = "key_store_damaged"

    def __init__(self, why: str) -> None:
        super().__init__(
            english=f"The key store is not intact and is not used: {why}.",
            chinese=f"密钥库不完整, 已停止使用: {why}。",
            details={"why": why},
        )


class TestKeysInProduction(Refused):
    """A store with published test keys was opened with environment = "production"."""

    __test__ = False  # the name begins like a test's, for pytest

    code = "test_keys_in_production"
    next_action = NextAction.CONTACT_SERVICE
    english = 'The key store holds published test keys; it is refused with environment = "production".'
    chinese = '密钥库中含有公开的测试密钥, environment = "production" 时拒绝使用。'


class HsmUnavailable(Unavailable):
    """No HSM can answer now; nothing was computed."""

    code = "hsm_unavailable"
    english = "The security module cannot answer now; try again later."
    chinese = "密钥机暂时无法响应, 请稍后重试。"
