from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.hsm_adapter.city_host.errors import MessageSignatureWrong
from ota.hsm_adapter.city_host.message_keys import MessageKey, MessageVerifier
from ota.hsm_adapter.city_host.signature_fields import read_input
from ota.hsm_adapter.city_host.signatures import (
    REQUEST_COVERS,
    TOLERANCE,
    Answer,
    Request,
    content_digest,
    signature_base,
    signed_answer,
    signed_request,
    verify_answer,
    verify_request,
)
from tests.hsm_adapter.city_host.parties import CITYS, NOW, OURS, STRANGERS, a_key

BODY = b'{"load_id":"att_1"}'
KEYS = {OURS.name: OURS.public}
CITY_KEYS = {CITYS.name: CITYS.public}


def a_request(key: MessageKey = OURS, body: bytes = BODY) -> Request:
    return signed_request(key, "POST", "/tsm/loads/authorise", body, NOW)


def with_header(request: Request, name: str, value: str | None) -> Request:
    headers = {**request.headers, name: value or ""}
    if value is None:
        del headers[name]
    return replace(request, headers=headers)


def signed_by_hand(
    parameters: str,
    covered: tuple[str, ...] = REQUEST_COVERS,
    *,
    digest: str = content_digest(BODY),
    date: str = format_datetime(NOW, usegmt=True),
) -> Request:
    """A request with other parameters or components than ours, signed over exactly those."""
    headers = {"content-digest": digest, "date": date, "content-type": "application/json"}
    text = f"({' '.join(covered)}){parameters}"
    values = {'"@method"': "POST", '"@path"': "/x"} | {f'"{name}"': value for name, value in headers.items()}
    signature = OURS.sign(signature_base(covered, text, values.__getitem__))
    told = {
        "signature-input": f"sig1={text}",
        "signature": f"sig1=:{base64.b64encode(signature).decode()}:",
    }
    return Request("POST", "/x", BODY, headers | told)


CREATED = f';created={int(NOW.timestamp())};keyid="province-1"'
NONCE = ';nonce="0123456789abcdef"'


def test_the_published_example_of_ecdsa_p256_verifies() -> None:
    """RFC 9421 B.2.4: a signed answer with the key test-key-ecc-p256."""
    key = MessageVerifier.from_point(
        "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA", "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"
    )
    values = {
        '"@status"': "200",
        '"content-type"': "application/json",
        '"content-digest"': "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
        '"content-length"': "23",
    }
    about = read_input(
        'sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"'
    )
    signature = base64.b64decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    )

    base = signature_base(about.components, about.text, values.__getitem__)

    assert key.holds(signature, base)
    assert not key.holds(signature, base + b" ")


def test_a_signed_request_proves_whose_it_is() -> None:
    request = a_request()

    proof = verify_request(request, KEYS, NOW)

    assert proof.key_id == "province-1"
    assert proof.expires == NOW + TOLERANCE
    assert proof.nonce != verify_request(a_request(), KEYS, NOW).nonce


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/tsm/loads/void"},
        {"body": BODY + b" "},
    ],
)
def test_a_request_is_signed_as_a_whole(change: dict[str, object]) -> None:
    with pytest.raises(MessageSignatureWrong):
        verify_request(replace(a_request(), **change), KEYS, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["content-digest", "date", "signature-input", "signature"])
@pytest.mark.parametrize("value", [None, "", "x"])
def test_every_header_of_a_signature_is_needed(name: str, value: str | None) -> None:
    with pytest.raises(MessageSignatureWrong):
        verify_request(with_header(a_request(), name, value), KEYS, NOW)


def test_a_strangers_request_is_refused() -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(a_request(STRANGERS), CITY_KEYS, NOW)

    assert wrong.value.why == "the signature does not hold"
    with pytest.raises(MessageSignatureWrong, match="not signed as agreed"):
        verify_request(a_request(a_key("nobody")), KEYS, NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_request_of_another_time_is_refused(seconds: int) -> None:
    request = a_request()

    with pytest.raises(MessageSignatureWrong):
        verify_request(request, KEYS, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("created", [999_999_999_999, 253_402_300_800])
def test_a_request_from_beyond_the_calendar_is_refused_even_when_signed(created: int) -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(signed_by_hand(f';created={created};keyid="province-1"{NONCE}'), KEYS, NOW)

    assert wrong.value.why == "too old, or from the future"


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        (CREATED, "a nonce"),
        (f'{CREATED};nonce="short"', "a nonce"),
        (f'{CREATED}{NONCE};alg="hmac-sha256"', "another algorithm"),
        (f"{CREATED}{NONCE}{NONCE}", "given twice"),
        (';keyid="province-1"', "created and keyid"),
        (f";created={int(NOW.timestamp())}", "created and keyid"),
        (f';created="now";keyid="province-1"{NONCE}', "created and keyid"),
        (f'{CREATED}{NONCE};tag="a\\"b"', "cannot be read"),
    ],
)
def test_parameters_are_read_strictly(parameters: str, why: str) -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(signed_by_hand(parameters), KEYS, NOW)

    assert why in wrong.value.why


def test_another_label_order_and_more_components_are_fine() -> None:
    covered = ('"content-type"', *reversed(REQUEST_COVERS))
    request = signed_by_hand(CREATED + NONCE, covered)

    assert verify_request(request, KEYS, NOW).key_id == "province-1"


@pytest.mark.parametrize(
    "covered",
    [
        REQUEST_COVERS[1:],
        REQUEST_COVERS[:-1],
        (*REQUEST_COVERS, '"@method"'),
    ],
)
def test_what_must_be_covered_is_covered_once(covered: tuple[str, ...]) -> None:
    with pytest.raises(MessageSignatureWrong):
        verify_request(signed_by_hand(CREATED + NONCE, covered), KEYS, NOW)


@pytest.mark.parametrize("component", ['"@authority"', '"@query"', '"@method";req', '"x-missing"'])
def test_a_component_that_is_not_computed_is_refused(component: str) -> None:
    request = a_request()
    more = request.headers["signature-input"].replace('"date")', f'"date" {component})')

    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(with_header(request, "signature-input", more), KEYS, NOW)

    assert "is missing" in wrong.value.why


@pytest.mark.parametrize("signature", ["ota=:AA=:", "other=:AAAA:", "ota=:AAAA:, ota=:AAAA:", "ota=AAAA"])
def test_a_signature_is_one_value_under_its_label(signature: str) -> None:
    with pytest.raises(MessageSignatureWrong):
        verify_request(with_header(a_request(), "signature", signature), KEYS, NOW)


def test_a_date_in_another_zone_or_none_is_read() -> None:
    local = format_datetime(NOW, usegmt=True).replace("GMT", "-0000")
    request = signed_by_hand(CREATED + NONCE, date=local)

    assert verify_request(request, KEYS, NOW).key_id == "province-1"


def test_a_date_that_is_none_is_refused_even_when_signed() -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(signed_by_hand(CREATED + NONCE, date="yesterday"), KEYS, NOW)

    assert wrong.value.why == "Date cannot be read"


def test_a_digest_of_another_body_is_refused_even_when_signed() -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_request(signed_by_hand(CREATED + NONCE, digest=content_digest(b"x")), KEYS, NOW)

    assert wrong.value.why == "the body is another one"


def test_an_answer_fits_its_request_only() -> None:
    request, again = a_request(), a_request()
    answer = signed_answer(CITYS, request, 200, b"{}", NOW)

    verify_answer(answer, request, CITY_KEYS, NOW)

    with pytest.raises(MessageSignatureWrong):
        verify_answer(answer, again, CITY_KEYS, NOW)  # the same question, asked another time


@pytest.mark.parametrize("change", [{"status": 201}, {"body": b"[]"}])
def test_an_answer_is_signed_as_a_whole(change: dict[str, object]) -> None:
    request = a_request()
    answer = signed_answer(CITYS, request, 200, b"{}", NOW)

    with pytest.raises(MessageSignatureWrong):
        verify_answer(replace(answer, **change), request, CITY_KEYS, NOW)  # type: ignore[arg-type]


def test_an_answer_without_a_signature_is_refused() -> None:
    with pytest.raises(MessageSignatureWrong) as wrong:
        verify_answer(Answer(200, b"{}"), a_request(), CITY_KEYS, NOW)

    assert wrong.value.why == "signature-input is missing"


@given(st.text(max_size=200))
def test_no_signature_input_surprises_the_reader(text: str) -> None:
    try:
        about = read_input(text)
    except MessageSignatureWrong:
        return
    assert about.text in text
