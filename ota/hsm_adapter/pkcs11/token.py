"""An open session with a token: the few calls that everything is made of, and the objects that they leave behind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from importlib import import_module
from typing import Any, Final, TypeVar, cast

from pkcs11 import Attribute, KeyType, Mechanism

from ota.hsm_adapter.pkcs11.ciphers import TokenCipher, des_cbc_parameter
from ota.hsm_adapter.pkcs11.library import Library
from ota.hsm_adapter.pkcs11.templates import Template, Use, known_block, raw_bytes, session_key

MAX_KEPT: Final = 256
"""City keys and channels whose objects stay in the token; the least used goes first."""

_native: Any = import_module("pkcs11._pkcs11")  # its type stub names the library only


_Key: Any = type(  # what python-pkcs11 puts together anew for each object
    "_Key",
    (
        _native.SecretKey,
        _native.EncryptMixin,
        _native.DecryptMixin,
        _native.SignMixin,
        _native.WrapMixin,
        _native.DeriveMixin,
        _native.Object,
    ),
    {},
)


class Handle(_Key):  # type: ignore[misc]  # an untyped base
    """A key inside the token.

    What it may do stands in its template and is the token's to enforce; asking the token for the key's type and
    abilities, as python-pkcs11 does for each key, takes longer than the cryptography.
    """

    key_type = None

    def __repr__(self) -> str:
        return "Handle()"


Handles = TypeVar("Handles", bound=tuple[Any, ...])


class OpenToken:
    """One session. Only the token thread uses it, and only while the library's generation is its own."""

    def __init__(self, session: Any, library: Library) -> None:
        self.session = session
        self._library = library
        self._generation = library.generation
        self._made: list[Handle] = []
        self._kept: OrderedDict[Hashable, tuple[tuple[Any, ...], list[Handle]]] = OrderedDict()

    @property
    def is_current(self) -> bool:
        """Whether the session still is one."""
        return self._generation == self._library.generation

    def derive(self, parent: Handle, cipher: TokenCipher, data: bytes, template: Template) -> Handle:
        """A key from the parent's cipher over whole blocks of data; it ends with the present work."""
        return self._derived(parent, cipher.ecb_data, cipher.ecb_parameter(data), template)

    def derive_by_cbc(self, parent: Handle, data: bytes, template: Template) -> Handle:
        """The same for 3DES in CBC mode with zero IV."""
        return self._derived(parent, Mechanism.DES3_CBC_ENCRYPT_DATA, des_cbc_parameter(data), template)

    def child(self, parent: Handle, cipher: TokenCipher, data: bytes, use: Use) -> Handle:
        """A key of the parent's own cipher, as long as the data."""
        return self.derive(parent, cipher, data, session_key(cipher, use, len(data)))

    def public(self, parent: Handle, cipher: TokenCipher, data: bytes) -> bytes:
        """The parent's cipher over whole blocks, for blocks that are no keys: a MAC's steps, a check value.

        A deriving key enciphers for whoever may use it (HSM.md, the hole of PKCS #11); this asks for nothing more.
        """
        block = self.derive(parent, cipher, data, raw_bytes(len(data), readable=True))
        return cast(bytes, block[Attribute.VALUE])

    def encipher(self, key: Handle, cipher: TokenCipher, data: bytes, iv: bytes | None = None) -> bytes:
        """CBC over whole blocks; the IV is zero unless given."""
        start = iv or bytes(cipher.block)
        enciphered = key.encrypt(data, buffer_size=len(data), mechanism=cipher.cbc, mechanism_param=start)
        return cast(bytes, enciphered)

    def decipher(self, key: Handle, cipher: TokenCipher, data: bytes, iv: bytes) -> bytes:
        """CBC back over whole blocks."""
        plain = key.decrypt(data, buffer_size=len(data), mechanism=cipher.cbc, mechanism_param=iv)
        return cast(bytes, plain)

    def cmac(self, key: Handle, data: bytes) -> bytes:
        """AES-CMAC, all 16 bytes."""
        return cast(bytes, key.sign(data, buffer_size=16, mechanism=Mechanism.AES_CMAC))

    def wrap(self, key: Handle, cipher: TokenCipher, content: Handle) -> bytes:
        """The content enciphered under a wrapping key: CBC with zero IV, no padding."""
        iv = bytes(cipher.block)
        return cast(bytes, key.wrap_key(content, mechanism=cipher.cbc, mechanism_param=iv))

    def wrap_known(self, key: Handle, cipher: TokenCipher, block: bytes) -> bytes:
        """The same for a block that everybody knows."""
        content = self.created(known_block(block))
        self._made.append(content)
        return self.wrap(key, cipher, content)

    def created(self, template: Template) -> Handle:
        """An object with a value that this process knows; it is the caller's to destroy."""
        self._library.objects += 1
        return Handle(self.session.create_object(template).wrapper)

    def found(self, template: Template) -> list[Handle]:
        """Every object with these attributes."""
        return [Handle(each.wrapper) for each in self.session.get_objects(template)]

    def kept(self, name: Hashable, make: Callable[[], Handles]) -> Handles:
        """The keys of this name, derived the first time and left in the token. Masters among them stay its own."""
        present = self._kept.get(name)
        if present is not None:
            self._kept.move_to_end(name)
            return cast(Handles, present[0])
        keys = make()
        lasting = [handle for handle in self._made if any(handle is key for key in keys)]
        self._made = [handle for handle in self._made if all(handle is not key for key in keys)]
        self._kept[name] = (keys, lasting)
        if len(self._kept) > MAX_KEPT:
            self._made += self._kept.popitem(last=False)[1][1]
        return keys

    def end_work(self) -> None:
        """Destroy what the present work made and nobody kept; after a fresh start there is nothing to destroy."""
        made, self._made = self._made, []
        for handle in made if self.is_current else ():
            handle.destroy()

    def _derived(self, parent: Handle, mechanism: Mechanism, parameter: bytes, template: Template) -> Handle:
        handle = Handle(
            parent.derive_key(
                KeyType.GENERIC_SECRET,
                0,  # type and length are the template's
                capabilities=0,
                mechanism=mechanism,
                mechanism_param=parameter,
                template=template,
            ).wrapper
        )
        self._library.objects += 1
        self._made.append(handle)
        return handle
