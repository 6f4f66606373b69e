"""Whatever fits or breaks the API's own description is answered as described, and never with a server error.

The description drives the requests (schemathesis): for every operation, bodies that fit it and bodies that do not,
half of them aimed at orders, sessions and loads that really exist: at least 2,000 requests.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from werkzeug.test import TestResponse

from ota import settings as configuration
from ota import wiring
from ota.app import create_app
from ota.cli.preparation import prepare
from ota.core.principal import CallerKind
from ota.sandbox import credentials
from ota.web.scopes import STAFF_ROLES, scopes_of

CONFIG = Path(__file__).parent.parent.parent / "config"
CARD = "3104870312345678906"
CASES = 50


@dataclass
class Target:
    """A platform in process, with one of everything that a request can name."""

    schema: Any
    client: FlaskClient
    tokens: dict[str, str]
    audience: str
    known: dict[str, list[str]] = field(default_factory=dict)

    def payment(self, amount_fen: int, trade_no: str, caller: credentials.Credentials) -> str:
        claims = {
            "iss": caller.caller_id, "aud": self.audience, "iat": int(time.time()), "channel": "test",
            "trade_no": trade_no, "amount_fen": amount_fen, "currency": "CNY",
            "paid_at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        return caller.sign(claims, type_="payment+jwt")

    def post(self, caller: str, path: str, body: dict[str, Any]) -> TestResponse:
        headers = {
            "Authorization": f"Bearer {self.tokens[caller]}",
            "Idempotency-Key": f"fill-{path}",
        }
        answer = self.client.post(path, json=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        return answer


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    given_settings = {"data": tmp_path_factory.mktemp("data"), "environment": "sandbox"}
    chosen = configuration.load(config=CONFIG, environ={}, overrides=given_settings)
    prepare(chosen, datetime.now(UTC))
    built = wiring.build(chosen)
    app = create_app(built)
    found = Target(
        schemathesis.openapi.from_wsgi("/openapi.json", app), app.test_client(), _tokens(built),
        chosen.tokens.audience,
    )  # fmt: skip
    _fill(found)
    yield found
    built.store.close()


def _tokens(built: wiring.Wiring) -> dict[str, str]:
    callers = {
        "wallet": built.callers.find("sandbox-wallet"),
        "terminal": built.callers.find("sandbox-terminal-foshan"),
        "staff": built.callers.find("sandbox-clerk"),
    }
    roles = tuple(STAFF_ROLES)
    return {
        name: built.tokens.issue_access(caller, scopes_of(CallerKind(name), roles))
        for name, caller in callers.items()
        if caller is not None
    }


def _fill(target: Target) -> None:
    """One issuance, one paid top-up, one open session, one card and one terminal: what a path can name."""
    wallet = credentials.wallet()
    issuance = target.post("wallet", "/v1/issuances", {"city": "foshan", "se_id": "SE-1"}).json
    topup = target.post(
        "wallet", "/v1/topups",
        {"card_no": CARD, "amount_fen": 5000, "payment": target.payment(5000, "t-1", wallet), "session": {}},
    ).json  # fmt: skip
    assert issuance is not None
    assert topup is not None
    target.known = {
        "order_id": [issuance["order_id"], topup["order_id"]],
        "session_id": [topup["session"]["session_id"]],
        "load_id": [topup["order_id"]],
        "card_no": [CARD],
        "terminal_no": ["588000000001"],
    }


def _caller_of(label: str) -> str:
    if "/terminals" in label:
        return "terminal"
    return "staff" if "/service" in label else "wallet"


def _aimed(case: Case[Any], target: Target, number: int) -> Case[Any]:
    """Every second request names things that exist."""
    if number % 2:
        for name in case.path_parameters or {}:
            if name in target.known:
                choices = target.known[name]
                case.path_parameters[name] = choices[number // 2 % len(choices)]
    if isinstance(case.body, dict):
        _mend(case.body)
    return case


def _mend(value: Any) -> None:
    """JSON Schema counts 1.0 as an integer; the platform does not take a fraction for a count or for money."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, float) and item.is_integer():
            value[key] = int(item)
        elif isinstance(item, dict | list):
            _mend(item)


def _label(operation: Any) -> str:
    return str(operation.label)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "expected"),
    [(GenerationMode.POSITIVE, {200, 404, 422}), (GenerationMode.NEGATIVE, {400, 401})],
    ids=["fitting", "breaking"],
)
def test_every_operation_withstands_what_strangers_send(
    mode: GenerationMode, expected: set[int], target: Target
) -> None:
    statuses: Counter[int] = Counter()
    failures: list[str] = []

    for result in target.schema.get_all_operations():
        failures += _shoot(target, result.ok(), mode, statuses)

    assert failures == []
    assert statuses.total() >= 1_000
    assert max(statuses) < 500
    assert expected <= statuses.keys(), "the requests never got past the door"


def _shoot(target: Target, operation: Any, mode: GenerationMode, statuses: Counter[int]) -> list[str]:
    headers = {"Authorization": f"Bearer {target.tokens[_caller_of(_label(operation))]}"}
    failures: list[str] = []

    @seed(20261123)
    @settings(
        max_examples=CASES, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def shoot(case: Case[Any]) -> None:
        aimed = _aimed(case, target, statuses.total())
        answer = aimed.call(headers=headers)
        statuses[answer.status_code] += 1
        try:
            aimed.validate_response(answer, headers=headers)
        except FailureGroup as group:
            failures.append(f"{operation.label} {mode.name} {answer.status_code}: {group}")

    shoot()
    return failures[:3]
