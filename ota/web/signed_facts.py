"""Checks facts that a caller vouches for with its registered key, such as a payment: a compact JWS (RFC 7515)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from ota.core.errors import Refused
from ota.core.principal import Principal
from ota.web.ports import Caller, CallerDirectory

PAYMENT: Final = "payment+jwt"
_LONGEST: Final = 4096
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_REQUIRED: Final = ["iss", "aud", "iat"]


class ChannelNotYours(Refused):
    """A caller vouches for a trade of a channel that is not among its own: it could claim what others were paid by."""

    code = "channel_not_yours"
    english = "This caller is not registered for the payment channel of this trade."
    chinese = "该调用方未登记此支付渠道。"


class SignatureWrong(Refused):
    """The fact is not signed by the caller that hands it in. Which part does not hold is not told."""

    code = "signature_wrong"
    english = "The signed fact does not hold: expected a JWS by one of the caller's registered keys."
    chinese = "签名无效: 应由该调用方已登记的密钥签名。"


@dataclass(frozen=True, slots=True)
class SignedFacts:
    """Reads facts of one type; ``audience`` is this platform's name."""

    callers: CallerDirectory
    audience: str
    type_: str = PAYMENT

    def read(self, caller: Principal, signed: str) -> Mapping[str, object]:
        """The claims that the caller signed; raises SignatureWrong, ChannelNotYours."""
        if len(signed) > _LONGEST:
            raise SignatureWrong
        known = self.callers.find(caller.id)
        if known is None or known.disabled:
            raise SignatureWrong
        try:
            header = jwt.get_unverified_header(signed)
            claims = self._verified(signed, self._key(known, header))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise SignatureWrong from error
        if claims["iss"] != caller.id:
            raise SignatureWrong
        if known.channels is not None and claims.get("channel") not in known.channels:
            raise ChannelNotYours
        return claims

    def _key(self, known: Caller, header: Mapping[str, Any]) -> Mapping[str, str]:
        if not header.keys() <= _HEADER:
            raise SignatureWrong
        if header.get("alg") != "ES256" or header.get("typ") != self.type_:
            raise SignatureWrong
        return known.keys[header["kid"]]

    def _verified(self, signed: str, jwk: Mapping[str, str]) -> dict[str, Any]:
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            raise SignatureWrong
        key = jwt.PyJWK.from_dict(dict(jwk), algorithm="ES256")
        # A payment stays true however late its notice comes, so its age is not looked at.
        options = {
            "require": _REQUIRED,
            "strict_aud": True,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        return jwt.decode(signed, key, algorithms=["ES256"], audience=self.audience, options=options)  # type: ignore[arg-type]
