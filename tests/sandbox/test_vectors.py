from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.sandbox.vectors import KINDS, Result, check_file

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
FILES = ("epurse.json", "globalplatform.json")
INPUTS = {  # changing one of these changes what is computed, so the outputs no longer fit
    "level", "alg", "scheme", "cmd",
}  # fmt: skip
FREE = {"name", "klass", "source"}
UNCHECKABLE = {("scp03", "dek")}  # opening and wrapping do not use it
DIGIT = {  # of which digit something depends; elsewhere the last but one, which no DES parity bit is in
    "initialize_update": 20,  # the host challenge; not Le
    "kdd": 8,  # in the bytes that every scheme takes
    "initialize_update_response": 30,  # the card's challenge; the key diversification data come from elsewhere
}


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content


def every_vector() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in FILES:
        for kind, vectors in read(name).items():
            for vector in vectors:
                yield kind, vector


def check(folder: Path, content: object) -> list[Result]:
    path = folder / "vectors.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return check_file(path)


def hex_places(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a vector holds hex digits that were computed or recorded."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in FREE | INPUTS:
                yield from hex_places(item, (*place, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from hex_places(item, (*place, number))
    elif isinstance(value, str):
        yield place


PLACES = [
    pytest.param(kind, vector, place, id=f"{vector['name']}-{'.'.join(map(str, place))}")
    for kind, vector in every_vector()
    for place in hex_places(vector)
    if (kind, place[0]) not in UNCHECKABLE
]


@pytest.mark.parametrize("name", FILES)
def test_every_shared_vector_passes(name: str) -> None:
    results = check_file(FOLDER / name)

    assert [result for result in results if not result.passed] == []
    assert len(results) == sum(len(section) for section in read(name).values())


@pytest.mark.parametrize(("kind", "vector", "place"), PLACES)
def test_a_changed_digit_anywhere_fails(
    tmp_path: Path, kind: str, vector: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    changed = deepcopy(vector)
    target: Any = changed
    for step in place[:-1]:
        target = target[step]
    digits = target[place[-1]]
    at = DIGIT.get(str(place[-1]), len(digits) - 2)
    swapped = "1" if digits[at] != "1" else "2"
    target[place[-1]] = digits[:at] + swapped + digits[at + 1 :]

    (result,) = check(tmp_path, {kind: [changed]})

    assert not result.passed, place


@pytest.mark.parametrize(
    ("kind", "vector"), [pytest.param(*each, id=each[1]["name"]) for each in every_vector()]
)
def test_what_describes_a_vector_may_be_absent(tmp_path: Path, kind: str, vector: dict[str, Any]) -> None:
    bare = {name: value for name, value in vector.items() if name not in FREE}

    (result,) = check(tmp_path, {kind: [bare]})

    assert result.passed, result.why
    assert result.name == f"{kind}[0]"


OUTPUTS = {
    "load": ("SESLK", "MAC1", "MAC2", "TAC_KEY", "TAC"),
    "diversify": ("load", "tac"),
    "scp02": ("session", "external_authenticate", "commands", "responses", "level"),
    "scp03": ("session", "external_authenticate", "responses", "dek"),
    "kdf": ("keys_enc_mac_dek", "kcv", "session", "dek_encrypted_404142.."),
}


@pytest.mark.parametrize(
    ("kind", "vector", "field"),
    [
        pytest.param(kind, vector, field, id=f"{vector['name']}-{field}")
        for kind, vector in every_vector()
        for field in OUTPUTS.get(kind, ())
        if field in vector and (kind != "kdf" or "kcv" in vector)
    ],
)
def test_a_field_may_be_absent(tmp_path: Path, kind: str, vector: dict[str, Any], field: str) -> None:
    (result,) = check(tmp_path, {kind: [{name: vector[name] for name in vector if name != field}]})

    assert result.passed, result.why


def test_a_session_key_alone_is_checked(tmp_path: Path) -> None:
    vector = {
        "DLK": "374598B5C0B0EAE1E1D06609AC5BB369",
        "rand": "CDEF4F20",
        "atc": "0000",
        "SESLK": "3C05F429713D0188",
    }

    (right,) = check(tmp_path, {"load": [vector]})
    (wrong,) = check(tmp_path, {"load": [{**vector, "SESLK": "3C05F429713D0189"}]})

    assert right.passed
    assert wrong.why == "SESLK differs"


@pytest.mark.parametrize("kind", ["psam", "scp11", "", "LOAD"])
def test_a_kind_it_does_not_know_counts_as_failed(tmp_path: Path, kind: str) -> None:
    results = check(tmp_path, {kind: [{"name": "first"}, {"name": "second"}]})

    assert [(result.name, result.passed) for result in results] == [("first", False), ("second", False)]
    assert "not known" in results[0].why


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_with_nothing_to_check_counts_as_failed(tmp_path: Path, kind: str) -> None:
    (result,) = check(tmp_path, {kind: [{"name": "empty"}]})

    assert not result.passed
    assert result.why


def first(kind: str) -> dict[str, Any]:
    return next(vector for each, vector in every_vector() if each == kind)


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("load", {"alg": "AES"}, "alg"),
        ("load", {"alg": 7}, "alg"),
        ("load", {"DLK": "00"}, "DLK: expected 16 bytes"),
        ("load", {"rand": "zz"}, "rand"),
        ("load", {"amount": "FFFFFFFF"}, "amount"),
        ("load", {"dt": "20141325103100"}, "card_time"),
        ("load", {"MAC9": "00000000"}, "MAC9: this field is not known"),
        ("load", {"bal": None}, "bal: expected a string"),
        ("diversify", {"load": []}, "load: expected an object"),
        ("diversify", {"load": {"MK": "00" * 16, "factors": [], "out": ["00" * 16]}}, "one key per factor"),
        ("diversify", {"load": {"MK": "00" * 16, "factors": "00", "out": []}}, "factors: expected a list"),
        ("diversify", {"load": {"MK": "00" * 16, "factors": [], "more": 1}}, "load.more"),
        ("diversify", {"load": {"MK": "00" * 16, "factors": ["00"], "out": ["00" * 16]}}, "path"),
        ("secure_messaging", {"rand": "00"}, "random"),
        ("scp02", {"level": "01"}, "level: expected a whole number"),
        ("scp02", {"level": 0x33}, "level"),
        ("scp02", {"i": 0x1A}, "scp"),
        ("scp02", {"initialize_update": "8050200000"}, "host_challenge"),
        ("scp02", {"initialize_update": "805120000840A62C37FA6304F800"}, "initialize_update"),
        ("scp02", {"initialize_update_response": "00"}, "INITIALIZE UPDATE"),
        ("scp03", {"initialize_update_response": "00"}, "29 or 32"),
        ("scp03", {"enc": "00" * 17}, "enc: expected 16, 24 or 32 bytes"),
        ("scp03", {"mac": "00" * 24}, "mac: expected 16 bytes"),
        ("scp03", {"responses": [{"cmd": 99, "wrapped": "", "plain": ""}]}, "names a command"),
        ("scp03", {"responses": [{"cmd": -1, "wrapped": "", "plain": ""}]}, "names a command"),
        ("scp03", {"responses": [{"cmd": 0, "plain": ""}]}, "responses[0].wrapped is missing"),
        ("scp03", {"commands": [{"plain": "80"}], "responses": []}, "apdu"),
        ("scp03", {"commands": [7], "responses": []}, "commands[0]: expected an object"),
        ("kdf", {"scheme": "kdf4"}, "scheme: expected one of"),
        ("kdf", {"scheme": "kdf3", "master": "00"}, "AES key"),
        ("kdf", {"scheme": "visa2", "master": "00"}, "master: expected 16 bytes"),
        ("kdf", {"kdd": "00"}, "kdd: expected 10 bytes"),
    ],
)
def test_a_malformed_vector_says_what_is_wrong(
    tmp_path: Path, kind: str, changes: dict[str, object], why: str
) -> None:
    (result,) = check(tmp_path, {kind: [{**first(kind), **changes}]})

    assert not result.passed
    assert why in result.why


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"key": "00" * 16, "rand": "00000000", "apdu_without_mac": "841E000003", "mac": "00" * 4}, "Lc"),
        ({"key": "00" * 16, "rand": "00000000", "apdu_without_mac": "841E0000", "mac": "00" * 4}, "Lc"),
        ({"key": "00" * 16, "rand": "00000000", "apdu_without_mac": "841E000004"}, "nothing"),
        ({"key": "00" * 16, "wrap": "00" * 16, "rand": "00000000"}, "apdu is missing"),
        (
            {"key": "00" * 16, "wrap": "00" * 16, "rand": "00000000", "apdu": "84D40000", "header": "0000"},
            "header: expected 4 bytes",
        ),
    ],
)
def test_malformed_secure_messaging_says_what_is_wrong(
    tmp_path: Path, fields: dict[str, str], why: str
) -> None:
    (result,) = check(tmp_path, {"secure_messaging": [fields]})

    assert not result.passed
    assert why in result.why


def test_a_session_data_key_is_checked_only_from_its_static_key(tmp_path: Path) -> None:
    vector = {name: value for name, value in first("scp02").items() if name != "dek"}
    session = {name: vector["session"][name] for name in ("enc", "mac")}

    without, with_it = check(tmp_path, {"scp02": [{**vector, "session": session}, vector]})

    assert without.passed
    assert with_it.why == "dek is missing"


def test_a_response_may_bring_its_status_word(tmp_path: Path) -> None:
    vector = next(v for _, v in every_vector() if v["name"] == "SCP03_Test_AES128_33")
    refused = {"cmd": 1, "wrapped": "", "plain": "", "sw": "6A88"}

    (result,) = check(tmp_path, {"scp03": [{**vector, "responses": [refused]}]})

    assert result.passed, result.why


def test_a_session_counter_may_stand_in_a_field_or_nowhere(tmp_path: Path) -> None:
    vector = next(v for _, v in every_vector() if v["scheme" if "scheme" in v else "name"] == "scp02-session")
    results = check(
        tmp_path,
        {
            "kdf": [
                {**vector, "name": "told", "sequence": "0000"},
                {**vector, "name": "silent"},
                {**vector, "sequence": "0001"},
            ]
        },
    )

    assert [result.passed for result in results] == [True, True, False]


@pytest.mark.parametrize(
    "content", ["", "[]", "7", "{", '{"load": 5}', "{}", '{"load": []}', '{"load": [7]}', "[" * 9999]
)
def test_a_malformed_file_is_one_failed_row(tmp_path: Path, content: str) -> None:
    (result,) = check(tmp_path, content)

    assert not result.passed
    assert result.why


def test_a_file_that_is_not_there_is_one_failed_row(tmp_path: Path) -> None:
    (result,) = check_file(tmp_path / "none.json")

    assert not result.passed
    assert "cannot be read" in result.why


def test_bytes_that_are_no_text_are_one_failed_row(tmp_path: Path) -> None:
    path = tmp_path / "vectors.json"
    path.write_bytes(b"\xff\xfe\x00")

    (result,) = check_file(path)

    assert result.why == "is not JSON"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["00" * 16, "9000"]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)


@given(data=st.data())
def test_hostile_vectors_never_raise(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    kind, vector = data.draw(st.sampled_from(list(every_vector())))
    field = data.draw(st.sampled_from(sorted(vector)))

    results = check(tmp_path_factory.mktemp("v"), {kind: [{**vector, field: data.draw(values)}]})

    assert len(results) == 1
