"""The platform's signing key as operators handle it: now and then it is replaced, and every token of before is void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ota.web.ports import Signer


class ReplacedSigner:
    """One signer of several; `replace` goes on to the next one."""

    def __init__(self, signers: Sequence[Signer]) -> None:
        self._signers = list(signers)

    def replace(self) -> None:
        """From now on the next key signs, and what the last one signed is not believed."""
        self._signers.append(self._signers.pop(0))

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A token by the key of now."""
        return self._signers[0].sign(claims, type_=type_)

    def verify(self, token: str, *, type_: str, audience: str, required: Sequence[str]) -> Mapping[str, Any]:
        """The claims of a token by the key of now; raises Unauthenticated."""
        return self._signers[0].verify(token, type_=type_, audience=audience, required=required)

    def jwks(self) -> Mapping[str, Any]:
        """The public key of now."""
        return self._signers[0].jwks()
