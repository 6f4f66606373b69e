"""Speaks to wallets' servers: signed JSON by POST to the address that each has registered, and nowhere else.

The body is ``{"<word>": <JWS by the platform>}``. No redirect is followed, an answer has at most 64 KiB and 5 seconds.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Protocol
from urllib.parse import urlsplit

import orjson

from ota.core.clock import Clock
from ota.hsm_adapter.city_host.signatures import Request
from ota.hsm_adapter.city_host.wire import HttpWire, NoAnswer, NothingSent

CONNECT_S: Final = 2.0
READ_S: Final = 5.0

_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Signs(Protocol):
    """The platform's signature."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS."""
        ...


CallbackOf = Callable[[str], str | None]
"""Where a caller's server listens, without a slash at the end; None when it has not said."""


class Unheard(Exception):
    """No whole answer came: the kind of failure, never what was sent. The message may have been heard all the same."""


class Callbacks:
    """The wallets' servers, reached over the network."""

    def __init__(self, callback_of: CallbackOf, signer: Signs, clock: Clock, issuer: str) -> None:
        """``issuer`` is this platform's name."""
        self._callback_of = callback_of
        self._signer = signer
        self._clock = clock
        self._issuer = issuer

    def reaches(self, caller_id: str) -> bool:
        """Whether the caller has said where its server listens."""
        return self._callback_of(caller_id) is not None

    def post(
        self, caller_id: str, path: str, word: str, type_: str, claims: Mapping[str, object]
    ) -> tuple[int, bytes]:
        """Status and body of the answer to claims that are signed here and now; raises Unheard."""
        callback = self._callback_of(caller_id)
        if callback is None:
            raise Unheard("no address")
        now = int(self._clock.now().timestamp())
        signed = self._signer.sign({"iss": self._issuer, "aud": caller_id, "iat": now, **claims}, type_=type_)
        headers = {"Content-Type": "application/json"}
        try:
            wire = _wire(callback)
            request = Request("POST", f"{wire.path}{path}", orjson.dumps({word: signed}), headers)
            answer = wire.send(request)
        except (NothingSent, NoAnswer) as failure:
            raise Unheard(str(failure)) from None
        except ValueError:  # a port or a name that cannot be
            raise Unheard("no such address") from None
        return answer.status, answer.body


def _wire(callback: str) -> HttpWire:
    """Plain HTTP stays on this machine; what is elsewhere by its name must be elsewhere by its address, too."""
    url = urlsplit(callback)
    is_here = url.hostname in _THIS_MACHINE
    if url.scheme != "https" and not is_here:
        raise Unheard("plain HTTP")
    context = _tls() if url.scheme == "https" else None
    return HttpWire(callback, connect_s=CONNECT_S, read_s=READ_S, context=context, inward=is_here)


@cache
def _tls() -> ssl.SSLContext:
    """Made once: it reads every certificate authority of the system."""
    return ssl.create_default_context()
