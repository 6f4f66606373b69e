"""What commands and status words mean, for people who read a transcript. English first, the Chinese term beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "A000000632010105": ("T-Union e-purse", "交通联合钱包"),
    "A000000632010106": ("T-Union e-cash", "交通联合电子现金"),
    "325041592E5359532E4444463031": ("PPSE", "非接触应用目录"),
    "5041592E41505059": ("PAY.APPY Lingnantong", "岭南通基本应用"),
    "5041592E5449434C": ("PAY.TICL Lingnantong purse", "岭南通钱包"),
    "5943542E55534552": ("YCT.USER Lingnantong", "岭南通"),
    "D156000158534400": ("our security domain", "平台安全域"),
    "A000000151000000": ("the issuer's security domain", "主安全域"),
}
"""Names of applications by how their AIDs begin."""

_PLAIN: Final[Mapping[int, tuple[str, str]]] = {
    0x20: ("VERIFY PIN", "验证口令"),
    0x50: ("INITIALIZE", "初始化"),
    0x52: ("CREDIT FOR LOAD", "圈存"),
    0x54: ("DEBIT FOR PURCHASE", "消费"),
    0x5A: ("GET TRANSACTION PROVE", "取交易认证"),
    0x5C: ("GET BALANCE", "读余额"),
    0x82: ("EXTERNAL AUTHENTICATE", "外部认证"),
    0x84: ("GET CHALLENGE", "取随机数"),
    0xA4: ("SELECT", "选择"),
    0xB0: ("READ BINARY", "读透明文件"),
    0xB2: ("READ RECORD", "读记录"),
    0xC0: ("GET RESPONSE", "取响应数据"),
    0xCA: ("GET DATA", "取数据"),
    0xD6: ("UPDATE BINARY", "写透明文件"),
    0xD8: ("PUT KEY", "写密钥"),
    0xDC: ("UPDATE RECORD", "写记录"),
    0xE2: ("STORE DATA", "写个人化数据"),
    0xE4: ("DELETE", "删除应用"),
    0xE6: ("INSTALL", "安装应用"),
    0xF2: ("GET STATUS", "查询状态"),
}

_DATA_OBJECTS: Final[Mapping[int, tuple[str, str]]] = {
    0x9F7F: ("CPLC", "芯片生产信息"),
    0x0066: ("card recognition data", "卡识别数据"),
    0x00E0: ("key information", "密钥信息"),
    0x00C1: ("sequence counter", "序列计数器"),
    0x00CF: ("key diversification data", "密钥分散数据"),
}

_FILES: Final[Mapping[int, tuple[str, str]]] = {
    0x15: ("info", "公共应用信息"),
    0x16: ("holder", "持卡人信息"),
    0x17: ("interoperability", "互联互通信息"),
    0x18: ("journal", "交易明细"),
    0x1E: ("journeys", "行程记录"),
    0x08: ("statistics", "统计信息"),
}

_STATUS: Final[Mapping[str, tuple[str, str]]] = {
    "9000": ("ok", "成功"),
    "61": ("more data", "有后续数据"),
    "6C": ("wrong Le", "返回长度错误"),
    "63C": ("wrong, few tries left", "错误, 剩余次数有限"),
    "6283": ("locked", "已锁定"),
    "6581": ("memory failure", "写入失败"),
    "6700": ("wrong length", "长度错误"),
    "6982": ("security status not satisfied", "安全状态不满足"),
    "6983": ("blocked", "认证锁定"),
    "6985": ("conditions not satisfied", "使用条件不满足"),
    "6988": ("MAC wrong", "MAC错误"),
    "6A80": ("wrong data", "数据错误"),
    "6A81": ("not supported, or locked", "不支持或已锁定"),
    "6A82": ("not found", "未找到"),
    "6A83": ("no such record", "无此记录"),
    "6A84": ("no room", "空间不足"),
    "6A86": ("wrong P1 P2", "P1P2错误"),
    "6A88": ("not there", "无此引用"),
    "6B00": ("wrong offset", "偏移错误"),
    "6D00": ("unknown command", "指令不支持"),
    "6E00": ("unknown class", "类别不支持"),
    "9302": ("MAC invalid", "MAC无效"),
    "9303": ("locked for good", "应用永久锁定"),
    "9401": ("not enough money", "余额不足"),
    "9402": ("counter exhausted", "交易序号已达上限"),
    "9403": ("no such key", "密钥不存在"),
    "9406": ("no proof kept", "无交易认证"),
}


def command_meaning(command: bytes) -> tuple[str, str]:
    """What a command asks, in English and Chinese."""
    if len(command) < 4:
        return "no command", "非指令"
    special = _SPECIAL.get(command[1])
    if special is not None:
        return special(command)
    return _PLAIN.get(command[1], ("unknown command", "未知指令"))


def status_meaning(sw: str) -> tuple[str, str]:
    """What a status word of four hex digits says."""
    for length in (4, 3, 2):
        if sw[:length] in _STATUS:
            return _STATUS[sw[:length]]
    return "unexpected", "未知状态"


def aside(command: bytes, data: bytes) -> str | None:
    """The one figure that an answer tells, short enough to stand beside its command; None when there is none."""
    header = command[:4].hex().upper()
    if header.startswith("805C") and len(data) >= 4:
        return f"= {int.from_bytes(data[:4], 'big') / 100:.2f} 元"
    if header.startswith("00B095") and len(data) >= 30 and not data.startswith(b"\xff" * 8):
        return f"= {data[10:20].hex()[1:]}"
    if header.startswith("8050") and len(data) in (28, 29, 32):
        return f"= SCP{data[11]:02X} key {data[10]:02X}"
    return None


def detail(command: bytes, data: bytes) -> str | None:
    """A line of what a load's answers tell; None for other commands."""
    header = command[:4].hex().upper()
    if header.startswith("805000") and len(data) == 16:
        return _load_answer(data)
    if header == "80520000" and len(data) == 4 and len(command) >= 16:
        at = command[5:12].hex()
        when = f"{at[:4]}-{at[4:6]}-{at[6:8]} {at[8:10]}:{at[10:12]}:{at[12:14]}"
        return f"host time {when} · MAC2 {command[12:16].hex().upper()} → TAC {data.hex().upper()}"
    return None


def _load_answer(data: bytes) -> str:
    algorithm = {0: "3DES", 1: "SM4", 4: "SM4"}.get(data[7], f"algorithm {data[7]:02X}")
    return (
        f"balance {int.from_bytes(data[:4], 'big') / 100:.2f} · counter 交易序号 {data[4:6].hex().upper()} · "
        f"key {data[6]:02X} {algorithm} · random {data[8:12].hex().upper()} · MAC1 {data[12:].hex().upper()}"
    )


def _select(command: bytes) -> tuple[str, str]:
    name = command[5 : 5 + command[4]].hex().upper() if len(command) > 5 else ""
    known = next((names for aid, names in NAMES.items() if name.startswith(aid)), (name, ""))
    return f"SELECT {known[0]}".strip(), known[1] or "选择"


def _initialise(command: bytes) -> tuple[str, str]:
    if command[0] & 0xFB == 0x80 and command[2:4] == b"\x00\x02" and len(command) >= 10:
        amount = int.from_bytes(command[6:10], "big")
        return f"INITIALIZE FOR LOAD of {amount / 100:.2f} yuan", "圈存初始化"
    if command[3] == 0x00:
        return "INITIALIZE UPDATE", "安全通道初始化"
    return "INITIALIZE FOR PURCHASE", "消费初始化"


def _get_data(command: bytes) -> tuple[str, str]:
    tag = int.from_bytes(command[2:4], "big")
    known = _DATA_OBJECTS.get(tag, (f"{tag:04X}", ""))
    return f"GET DATA {known[0]}", known[1] or "取数据"


def _read(command: bytes) -> tuple[str, str]:
    by_record = command[1] == 0xB2
    sfi = command[3] >> 3 if by_record else command[2] & 0x1F
    name = _FILES.get(sfi, ("", ""))
    verb = f"READ RECORD {command[2]} of" if by_record else "READ BINARY"
    return f"{verb} EF{sfi:02X} {name[0]}".strip(), name[1] or "读文件"


def _external_authenticate(command: bytes) -> tuple[str, str]:
    if command[0] & 0x80:
        return f"EXTERNAL AUTHENTICATE {_level(command[2])}", "外部认证"
    return "EXTERNAL AUTHENTICATE", "外部认证"


def _level(level: int) -> str:
    names = {0x01: "C-MAC", 0x02: "C-ENC", 0x10: "R-MAC", 0x20: "R-ENC"}
    return " ".join(name for bit, name in names.items() if level & bit) or "no protection"


def _install(command: bytes) -> tuple[str, str]:
    if command[2] & 0x20:
        return "INSTALL [for personalization]", "安装: 个人化"
    return "INSTALL [for install]", "安装应用"


_SPECIAL: Final = {
    0x50: _initialise,
    0x82: _external_authenticate,
    0xA4: _select,
    0xB0: _read,
    0xB2: _read,
    0xCA: _get_data,
    0xE6: _install,
}
