"""Makes a fresh token: C_InitToken in the first slot that has none, then the user's PIN."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pkcs11 import TokenFlag
from pkcs11.exceptions import NoSuchToken, PKCS11Error

from ota.core.errors import InvalidValue
from ota.hsm_adapter.pkcs11 import softhsm
from ota.hsm_adapter.pkcs11.errors import TokenExists, TokenUnavailable
from ota.hsm_adapter.pkcs11.library import Library, library
from ota.hsm_adapter.pkcs11.place import TokenPlace
from ota.hsm_adapter.pkcs11.thread import token_thread

_LABEL_LENGTH: Final = 32  # PKCS #11 2.40, C_InitToken: blank-padded, not null-terminated
_MIN_PIN: Final = 4
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a folder with a name of its own is made in it
_DEADLINE_S: Final = 60.0


def make_token(module: Path, label: str, so_pin: str, user_pin: str) -> None:
    """Initialise a token with two PINs, which must differ.

    Raises TokenExists, TokenUnavailable, InvalidValue.
    """
    _check(label, so_pin, user_pin)
    token_thread().run(lambda: _made(library(module), module, label, so_pin, user_pin), _DEADLINE_S)


@contextmanager
def throw_away_token(module: Path | None = None) -> Iterator[TokenPlace]:
    """A SoftHSM token that lives as long as the block; raises TokenUnavailable without SoftHSM."""
    module = module or softhsm.find_softhsm()
    in_memory = _MEMORY if _MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="ota-token-", dir=in_memory) as folder:
        configuration = softhsm.make_folder(Path(folder))
        pin = secrets.token_hex(8)
        with softhsm.pointed_to(configuration):
            make_token(module, "throw-away", secrets.token_hex(8), pin)
            yield TokenPlace(module, "throw-away", typed_pin=lambda: pin)
        token_thread().run(library(module).stop, _DEADLINE_S)


def _check(label: str, so_pin: str, user_pin: str) -> None:
    if not 1 <= len(label.encode()) <= _LABEL_LENGTH or label != label.strip():
        raise InvalidValue("label", f"1 to {_LABEL_LENGTH} bytes without blanks around them")
    if min(len(so_pin), len(user_pin)) < _MIN_PIN:
        raise InvalidValue("PIN", f"at least {_MIN_PIN} characters")
    if so_pin == user_pin:
        raise InvalidValue("PIN", "one for the security officer and another one for the user")


def _made(module: Library, path: Path, label: str, so_pin: str, user_pin: str) -> None:
    try:
        module.restart()  # SoftHSM reads where its tokens are when it is started
        slot = _free_slot(module.ready(), label)
        _init_token(path, slot, so_pin.encode(), label.encode())
        module.restart()  # a token appears when the library is started
        session = module.ready().get_token(token_label=label).open(rw=True, so_pin=so_pin)
        session.init_pin(user_pin)
        module.restart()  # and the officer's session ends
    except PKCS11Error as problem:
        raise TokenUnavailable(f"no token could be made ({type(problem).__name__})") from problem


def _free_slot(native: Any, label: str) -> int:
    try:
        native.get_token(token_label=label)
    except NoSuchToken:
        pass
    else:
        raise TokenExists
    for slot in native.get_slots(token_present=True):
        if TokenFlag.TOKEN_INITIALIZED not in slot.get_token().flags:
            return int(slot.slot_id)
    raise TokenUnavailable("no slot is free for a token")


def _init_token(module: Path, slot: int, so_pin: bytes, label: bytes) -> None:
    """C_InitToken, which python-pkcs11 does not offer; the library is the one that it has loaded."""
    function = ctypes.CDLL(str(module)).C_InitToken
    function.argtypes = (ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    function.restype = ctypes.c_ulong
    code = function(slot, so_pin, len(so_pin), label.ljust(_LABEL_LENGTH))
    if code:
        raise TokenUnavailable(f"C_InitToken failed with {code:#x}")
