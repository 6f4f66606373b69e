"""One-time passwords against the published vectors (RFC 6238 appendix B, the last six of its eight digits)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ota.sandbox import credentials
from ota.web.second_factor import matching_step, one_time_code
from tests.web.platform import OTP_SECRET

VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_published_vectors(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)

    assert one_time_code(OTP_SECRET, at) == code
    assert matching_step(OTP_SECRET, code, at) == seconds // 30


@pytest.mark.parametrize(
    ("late", "accepted"), [(-31, False), (-30, True), (0, True), (59, True), (60, False)]
)
def test_one_step_of_drift_either_way(late: int, accepted: bool) -> None:
    shown = one_time_code(OTP_SECRET, datetime.fromtimestamp(3000, UTC))

    step = matching_step(OTP_SECRET, shown, datetime.fromtimestamp(3000 + late, UTC))

    assert (step == 100) is accepted


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "１２３４５６", "٣٤٥٦٧٨"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert matching_step(OTP_SECRET, code, datetime.fromtimestamp(59, UTC)) is None


def test_the_first_step_of_all_has_none_before_it() -> None:
    assert matching_step(OTP_SECRET, "287082", datetime.fromtimestamp(0, UTC)) == 1


def test_the_sandboxs_clerk_shows_the_same_codes() -> None:
    at = datetime.fromtimestamp(1234567890, UTC)

    assert credentials.one_time_code(at.timestamp()) == one_time_code(credentials.OTP_SECRET, at)
