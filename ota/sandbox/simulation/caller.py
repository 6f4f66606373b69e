"""A caller of the platform in virtual time: keeps an access token, signs payments, repeats what got no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ota.sandbox.credentials import Credentials
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.process import Reply, Request
from ota.sandbox.simulation.schedule import Pause, Steps, VirtualClock
from ota.sandbox.simulation.truth import Truth, Violated

CHANNEL: Final = "simulation"
TRIES: Final = 4
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE_S: Final = 120
_RENEW_BEFORE_S: Final = 60


class Caller:
    """One wallet server or terminal. Every method is an actor's step."""

    def __init__(self, credentials: Credentials, audience: str, clock: VirtualClock, truth: Truth) -> None:
        self.credentials = credentials
        self.truth = truth
        self.clock = clock
        self._audience = audience
        self._token: str | None = None
        self._renew_at_s = 0.0
        self._assertions = 0

    @property
    def id(self) -> str:
        """The caller's name."""
        return self.credentials.caller_id

    def ask(
        self,
        luck: Luck,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        tries: int = TRIES,
    ) -> Steps[Reply | None]:
        """Send a request until it is answered for good; None when the caller gives up."""
        content = b"" if body is None else orjson.dumps(body)
        for number in range(tries):
            token = yield from self.token(luck)
            if token is not None:
                reply: Reply | None = yield Request(luck, method, path, content, token, key)
                if reply is not None and reply.status == 401:
                    self._token = None
                elif reply is not None and not reply.is_worth_repeating:
                    return reply
            yield Pause(luck.choice.uniform(1, 4) * (number + 1))
        return None

    def token(self, luck: Luck) -> Steps[str | None]:
        """An access token that lives a while yet; None when there is none to be had now."""
        if self._token is None or self.clock.elapsed_s >= self._renew_at_s:
            form, restores = self._token_form(), self.truth.restores
            reply: Reply | None = yield self._token_request(luck, form)
            if reply is None or not reply.ok:
                return None
            self._token = str(reply.json["access_token"])
            self._renew_at_s = self.clock.elapsed_s + reply.json["expires_in"] - _RENEW_BEFORE_S
            if luck.strikes(Fault.TOKEN_REPLAYED):
                yield from self._replay(luck, form, restores)
        return self._token

    def payment(self, trade_no: str, amount_fen: int, **changes: object) -> str:
        """A signed statement about a trade; ``changes`` make it a wrong one."""
        now = self.clock.true_now()
        claims = {
            "iss": self.id,
            "aud": self._audience,
            "iat": int(now.timestamp()),
            "channel": CHANNEL,
            "trade_no": trade_no,
            "amount_fen": amount_fen,
            "currency": "CNY",
            "paid_at": now.isoformat(timespec="seconds"),
        }
        return self.credentials.sign(claims | changes, type_="payment+jwt")

    def _token_form(self) -> bytes:
        self._assertions += 1
        now = int(self.clock.true_now().timestamp())
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": self._audience,
            "iat": now,
            "exp": now + _ASSERTION_LIFE_S,
            "jti": f"{self.id}-{self._assertions}",
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.credentials.sign(claims, type_="JWT"),
        }
        return urlencode(form | self._second_factor()).encode()

    def _second_factor(self) -> dict[str, str]:
        """Machines have none."""
        return {}

    def _token_request(self, luck: Luck, form: bytes) -> Request:
        return Request(luck, "POST", "/v1/token", form, media_type="application/x-www-form-urlencoded")

    def _replay(self, luck: Luck, form: bytes, restores: int) -> Steps[None]:
        """Somebody who saw the assertion uses it again; a restore in between forgot that it was used."""
        reply: Reply | None = yield self._token_request(luck, form)
        if reply is not None and reply.ok and self.truth.restores == restores:
            raise Violated("a used proof is refused", f"{self.id} got a second token for one assertion")
