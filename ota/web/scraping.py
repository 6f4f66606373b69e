"""Who may read the figures of /metrics: everybody, whoever shows the token, or nobody."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from flask import current_app, request

from ota.core.errors import NotFound, Unauthenticated

DOOR = "ota.scraping"


@dataclass(frozen=True, slots=True)
class Scraping:
    """The door of the figures. ``token`` is what Prometheus must send; without one all come in, unless it is shut."""

    token: str | None = field(default=None, repr=False)
    is_shut: bool = False

    def check(self, authorization: str) -> None:
        """Let in who sends this header; raises NotFound where it is shut, and Unauthenticated."""
        if self.is_shut:
            raise NotFound
        if self.token is None:
            return
        scheme, _, shown = authorization.partition(" ")
        # Compared as bytes in constant time: how long it takes tells nothing of how much was right.
        if scheme.lower() != "bearer" or not hmac.compare_digest(shown.encode(), self.token.encode()):
            raise Unauthenticated(
                english="The metrics need the bearer token of server.metrics_token_file.",
                chinese="读取指标需要 server.metrics_token_file 中的令牌。",
            )


def let_in() -> None:
    """Check that this request may read the figures; raises NotFound or Unauthenticated."""
    door: Scraping = current_app.extensions[DOOR]
    door.check(request.headers.get("Authorization", ""))
