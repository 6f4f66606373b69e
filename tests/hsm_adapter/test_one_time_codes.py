"""One-time passwords against the published vectors (RFC 6238 appendix B, the last six of its eight digits)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ota.core.errors import InvalidValue
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.one_time_codes import OneTimeCodes, matching_step, one_time_code
from ota.sandbox import credentials
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


AT = datetime.fromtimestamp(59, UTC)


def test_a_sealed_secret_checks_codes_and_does_not_show_itself(tmp_path: Path) -> None:
    kept = OneTimeCodes.open(tmp_path).seal("clerk", OTP_SECRET)

    again = OneTimeCodes.open(tmp_path)

    assert OTP_SECRET not in kept
    assert len(kept) <= 255
    assert again.matching_step("clerk", kept, "287082", AT) == 1
    assert again.matching_step("clerk", kept, "287083", AT) is None


def test_sealing_again_changes_nothing(tmp_path: Path) -> None:
    codes = OneTimeCodes.open(tmp_path)
    kept = codes.seal("clerk", OTP_SECRET)

    assert codes.seal("clerk", OTP_SECRET) == kept
    assert codes.seal("clerk", kept) == kept
    assert codes.seal("supervisor", OTP_SECRET) != kept


def test_a_secret_from_before_there_were_seals_still_checks(tmp_path: Path) -> None:
    assert OneTimeCodes.open(tmp_path).matching_step("clerk", OTP_SECRET, "287082", AT) == 1


@pytest.mark.parametrize(
    "damage", [lambda kept: kept[:-4] + "AAAA", lambda _kept: "sealed:", lambda _kept: "sealed:x"]
)
def test_an_altered_text_opens_nothing(tmp_path: Path, damage: Callable[[str], str]) -> None:
    codes = OneTimeCodes.open(tmp_path)
    kept = damage(codes.seal("clerk", OTP_SECRET))

    with pytest.raises(KeyStoreDamaged):
        codes.matching_step("clerk", kept, "287082", AT)


def test_a_text_of_another_caller_or_installation_opens_nothing(tmp_path: Path) -> None:
    kept = OneTimeCodes.open(tmp_path).seal("clerk", OTP_SECRET)

    for caller, folder in (("supervisor", tmp_path), ("clerk", tmp_path / "other")):
        with pytest.raises(KeyStoreDamaged):
            OneTimeCodes.open(folder).matching_step(caller, kept, "287082", AT)


@pytest.mark.parametrize(
    "secret", ["", "1", "not base32!", "GEZDGNBVGY3TQOI", "ＧＥＺＤＧＮＢＶＧＹ３ＴＱＯＪＱ"]
)
def test_what_is_no_secret_is_not_sealed(tmp_path: Path, secret: str) -> None:
    with pytest.raises(InvalidValue):
        OneTimeCodes.open(tmp_path).seal("clerk", secret)
