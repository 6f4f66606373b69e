"""Status words in words: for each command, what one means and whether a repetition, a new plan or a person helps.

Sources: ISO/IEC 7816-4 5.6, GP Card Spec 2.3.1 chapter 11, JR/T 0025 e-purse as collected in CARD.md 1.2 to 1.9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ota.core.errors import NextAction


class CommandKind(StrEnum):
    """The commands whose status words differ in meaning."""

    SELECT = "select"
    INITIALIZE_UPDATE = "initialize_update"
    EXTERNAL_AUTHENTICATE = "external_authenticate"
    INSTALL = "install"
    DELETE = "delete"
    STORE_DATA = "store_data"
    PUT_KEY = "put_key"
    READ = "read"
    UPDATE = "update"
    VERIFY_PIN = "verify_pin"
    GET_BALANCE = "get_balance"
    INITIALIZE_FOR_LOAD = "initialize_for_load"
    CREDIT_FOR_LOAD = "credit_for_load"
    GET_TRANSACTION_PROVE = "get_transaction_prove"
    INITIALIZE_FOR_PURCHASE = "initialize_for_purchase"
    DEBIT_FOR_PURCHASE = "debit_for_purchase"
    APPLICATION_BLOCK = "application_block"
    APPLICATION_UNBLOCK = "application_unblock"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A stable code, the meaning in both languages and what the caller should do next."""

    code: str
    english: str
    chinese: str
    action: NextAction


_FINAL: Final = NextAction.NONE
_REPEAT: Final = NextAction.RETRY_SAME_KEY
_RESUME: Final = NextAction.RESUME
_SERVICE: Final = NextAction.CONTACT_SERVICE

UNKNOWN: Final = Meaning(
    "unexpected_status", "The card gave an answer nobody planned for.", "卡片返回未知状态。", _SERVICE
)

_LOCKED = Meaning(
    "application_locked", "The application on the card is locked.", "卡片应用已锁定。", _SERVICE
)
_DEAD = Meaning(
    "application_locked_forever", "The application is locked for good.", "卡片应用已永久锁定。", _SERVICE
)
_ABSENT = Meaning("application_absent", "The card has no such application.", "卡片上没有此应用。", _FINAL)
_FULL = Meaning(
    "element_memory_full",
    "The secure element has no room left; remove another card first.",
    "安全芯片空间不足, 请先删除其他卡片。",
    _FINAL,
)
_CONDITIONS = Meaning(
    "conditions_not_satisfied",
    "The card is not in a state for this.",
    "卡片当前状态不满足使用条件。",
    _RESUME,
)
_AUTHENTICATION_BLOCKED = Meaning(
    "authentication_blocked", "The authentication is blocked on the card.", "认证已被锁定。", _SERVICE
)
_SECURITY = Meaning(
    "security_not_satisfied", "The card asks for a proof that was not given.", "安全状态不满足。", _RESUME
)
_CHANNEL_LOST = Meaning(
    "channel_lost", "The secure channel with the element is gone; it will be opened anew.", "安全通道已断开, 将重新建立。", _RESUME
)  # fmt: skip
_DATA_REFUSED = Meaning(
    "data_refused", "The card refused the data it was given.", "卡片拒绝所写数据。", _SERVICE
)
_MAC_REFUSED = Meaning("mac_refused", "The card refused a MAC.", "卡片校验MAC失败。", _SERVICE)
_COUNTER = Meaning(
    "counter_exhausted", "The card's transaction counter is at its end.", "卡片交易序号已达上限。", _SERVICE
)
_KEY_INDEX = Meaning("key_index_unknown", "The card has no such key.", "卡片不支持该密钥索引。", _SERVICE)
_INSUFFICIENT = Meaning("balance_insufficient", "The balance is too low.", "余额不足。", _FINAL)
_PIN_LEFT = Meaning(
    "pin_tries_left", "The PIN was wrong; few tries are left.", "密码错误, 剩余次数有限。", _FINAL
)
_PIN_BLOCKED = Meaning("pin_blocked", "The PIN is blocked.", "密码已锁定。", _SERVICE)
_KEY_TRIES = Meaning(
    "authentication_tries_left", "The authentication failed; few tries are left.", "认证失败, 剩余次数有限。", _SERVICE
)  # fmt: skip
_CRYPTOGRAM = Meaning(
    "host_cryptogram_refused", "The element refused our cryptogram.", "安全芯片拒绝主机认证。", _SERVICE
)
_MAC2_REFUSED = Meaning(
    "mac2_refused",
    "The card refused the load; it will be begun anew.",
    "卡片拒绝充值(MAC2错误), 将重新发起。",
    _RESUME,
)
_NO_PROVE = Meaning(
    "no_transaction_prove", "The card keeps no proof of this load.", "卡片无此交易认证。", _RESUME
)

EVERY_COMMAND: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "6281": Meaning(
            "data_damaged", "Part of the card's data may be damaged.", "卡片数据可能损坏。", _SERVICE
        ),
        "6283": _LOCKED,
        "63C0": _AUTHENTICATION_BLOCKED,
        "63C": _PIN_LEFT,
        "6581": Meaning(
            "element_memory_failure", "The card failed to write its memory.", "卡片写入失败。", _REPEAT
        ),
        "61": Meaning(
            "more_data", "The card holds more data than was fetched.", "卡片有更多数据待取。", _REPEAT
        ),
        "6C": Meaning("wrong_le", "The card asks for another length.", "返回长度不正确。", _REPEAT),
        "6700": Meaning(
            "wrong_length", "The card refused the length of a command.", "指令长度错误。", _SERVICE
        ),
        "6881": Meaning(
            "logical_channel_refused", "The card refused the channel.", "逻辑通道不支持。", _RESUME
        ),
        "6882": Meaning(
            "secure_messaging_refused", "The card refused secure messaging.", "不支持安全报文。", _SERVICE
        ),
        "6901": _CONDITIONS,
        "6981": Meaning("file_type_wrong", "The file has another structure.", "文件类型不匹配。", _SERVICE),
        "6982": _SECURITY,
        "6983": _AUTHENTICATION_BLOCKED,
        "6984": Meaning("random_invalid", "The card has no valid random for this.", "随机数无效。", _RESUME),
        "6985": _CONDITIONS,
        "6986": Meaning("no_file_selected", "No file is selected on the card.", "未选择文件。", _RESUME),
        "6987": Meaning("secure_object_missing", "A MAC is missing.", "缺少安全报文数据。", _SERVICE),
        "6988": _MAC_REFUSED,
        "6A80": _DATA_REFUSED,
        "6A81": _LOCKED,
        "6A82": Meaning("file_absent", "The card has no such file.", "文件不存在。", _SERVICE),
        "6A83": Meaning("record_absent", "The card has no such record.", "记录不存在。", _FINAL),
        "6A84": _FULL,
        "6A86": Meaning("parameters_wrong", "The card refused P1 or P2.", "指令参数错误。", _SERVICE),
        "6A88": Meaning(
            "object_absent", "The card does not hold what was asked for.", "引用数据不存在。", _SERVICE
        ),
        "6B00": Meaning("offset_wrong", "The file ends before this offset.", "偏移超出文件范围。", _SERVICE),
        "6D00": Meaning("command_unknown", "The card does not know this command.", "指令不支持。", _SERVICE),
        "6E00": Meaning("class_unknown", "The card does not know this class.", "指令类别不支持。", _SERVICE),
        "6F00": Meaning("element_error", "The card reports an inner error.", "卡片内部错误。", _RESUME),
        "9302": _MAC_REFUSED,
        "9303": _DEAD,
        "9401": _INSUFFICIENT,
        "9402": _COUNTER,
        "9403": _KEY_INDEX,
        "9406": _NO_PROVE,
    }
)
"""What holds whatever was asked: whole status words, or the first two or three digits of a family."""

BY_COMMAND: Final[Mapping[CommandKind, Mapping[str, Meaning]]] = MappingProxyType(
    {
        CommandKind.SELECT: {"6999": _ABSENT, "6A82": _ABSENT, "6A81": _LOCKED, "6283": _LOCKED},
        CommandKind.INITIALIZE_UPDATE: {
            "6A88": Meaning(
                "key_version_unknown",
                "The element has no keys of this version.",
                "安全域无此密钥版本。",
                _SERVICE,
            ),
            "6982": _AUTHENTICATION_BLOCKED,
        },
        CommandKind.EXTERNAL_AUTHENTICATE: {
            "6300": _CRYPTOGRAM,
            "63C": _KEY_TRIES,
            "6982": _CRYPTOGRAM,
            "6988": _CRYPTOGRAM,
        },
        CommandKind.INSTALL: {
            "6A80": _DATA_REFUSED,
            "6A88": Meaning(
                "package_absent",
                "The element lacks the applet's package.",
                "安全芯片未预置应用包。",
                _SERVICE,
            ),
            "6982": _CHANNEL_LOST,
            "6988": _CHANNEL_LOST,
        },
        CommandKind.DELETE: {
            "6985": Meaning(
                "still_in_use",
                "Another application still uses this one.",
                "该应用仍被其他应用引用。",
                _SERVICE,
            ),
            "6A88": _ABSENT,
            "6982": _CHANNEL_LOST,
            "6988": _CHANNEL_LOST,
        },
        CommandKind.STORE_DATA: {
            "6985": Meaning(
                "personalisation_incomplete",
                "The card lacks data it must have.",
                "个人化数据不完整。",
                _RESUME,
            ),
            "6982": _CHANNEL_LOST,
            "6988": _CHANNEL_LOST,
        },
        CommandKind.PUT_KEY: {"6982": _CHANNEL_LOST, "6988": _CHANNEL_LOST},
        CommandKind.VERIFY_PIN: {"63C0": _PIN_BLOCKED, "63C": _PIN_LEFT, "6983": _PIN_BLOCKED},
        CommandKind.INITIALIZE_FOR_LOAD: {
            "6982": Meaning(
                "pin_needed", "The card asks for its PIN before a load.", "充值前需验证卡片密码。", _RESUME
            ),
        },
        CommandKind.CREDIT_FOR_LOAD: {
            "9302": _MAC2_REFUSED,
            "6982": _MAC2_REFUSED,  # what one vendor's applet answers instead of 9302 (CARD.md 1.4)
            "6985": Meaning(
                "load_not_begun",
                "The card has forgotten the load's beginning.",
                "圈存未初始化或已断电。",
                _RESUME,
            ),
        },
        CommandKind.GET_TRANSACTION_PROVE: {
            "6985": _NO_PROVE,
            "6A88": _NO_PROVE,
            "6B00": Meaning(
                "prove_unsupported", "The card gives no transaction proofs.", "卡片不支持取交易认证。", _FINAL
            ),
            "6D00": Meaning(
                "prove_unsupported", "The card gives no transaction proofs.", "卡片不支持取交易认证。", _FINAL
            ),
        },
        CommandKind.DEBIT_FOR_PURCHASE: {
            "9302": Meaning(
                "mac1_refused", "The card refused the purchase.", "卡片拒绝消费(MAC1错误)。", _RESUME
            )
        },
        CommandKind.APPLICATION_UNBLOCK: {"6983": _DEAD},
    }
)
"""What a command means by a status word when it differs from, or is sharper than, the common meaning."""
