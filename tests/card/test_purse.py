import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card import purse
from ota.card.problems import MalformedAnswer, PurseFull
from ota.card.purse import Load, LoadAnswer
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CardTime, Fen, Mac4
from tests.card.vectors import LOADS, answer_of, load_of, mac, session_key, tac_key
from tests.outcome import outcome

TERMINAL = bytes.fromhex("000001000050")
CHIP = LOADS[0]

by_name = pytest.mark.parametrize("vector", LOADS, ids=lambda vector: vector["name"])


def an_answer(balance_raw: int = 1000, atc: int = 7) -> LoadAnswer:
    return LoadAnswer(balance_raw, atc, 1, 0, bytes(4), Mac4(bytes(4)))


@by_name
def test_the_session_key_of_every_vector_comes_from_our_seed(vector: dict[str, str]) -> None:
    key = session_key(vector["alg"], bytes.fromhex(vector["DLK"]), load_of(vector).session_seed)

    assert key.hex().upper() == vector["SESLK"]


@by_name
def test_mac1_and_mac2_of_every_vector_are_over_our_bytes(vector: dict[str, str]) -> None:
    load, key = load_of(vector), bytes.fromhex(vector["SESLK"])

    assert mac(vector["alg"], key, load.mac1_data) == load.answer.mac1
    assert mac(vector["alg"], key, load.mac2_data).value.hex().upper() == vector["MAC2"]


@pytest.mark.parametrize("vector", [v for v in LOADS if "TAC" in v], ids=lambda vector: vector["name"])
def test_the_tac_of_every_vector_is_over_our_bytes(vector: dict[str, str]) -> None:
    key = tac_key(vector["alg"], bytes.fromhex(vector["DTK"]))

    assert mac(vector["alg"], key, load_of(vector).tac_data).value.hex().upper() == vector["TAC"]


def test_the_chips_load_is_sent_as_it_was_recorded() -> None:
    load = load_of(CHIP)
    assert load.at is not None

    begin = purse.initialize_for_load(1, load.amount, load.terminal)
    credit = purse.credit_for_load(load.at, Mac4(bytes.fromhex(CHIP["MAC2"])))

    assert begin.encode().hex().upper() == "805000020B0100001C3700000100005010"
    assert credit.encode().hex().upper() == "805200000B201408251031000641DCD804"


def test_the_answer_to_initialize_for_load_is_taken_apart() -> None:
    answer = LoadAnswer.parse(bytes.fromhex("8000138800070304A1B2C3D43EF66078"))

    assert answer.balance_raw == 0x80001388
    assert answer.balance == Fen(5000)
    assert (answer.online_atc, answer.key_version, answer.algorithm_id) == (7, 3, 4)
    assert answer.random == bytes.fromhex("A1B2C3D4")
    assert answer.mac1 == Mac4(bytes.fromhex("3EF66078"))


@given(st.binary(max_size=40))
def test_any_answer_is_a_value_or_a_malformed_answer(data: bytes) -> None:
    read = outcome(LoadAnswer.parse, data)

    assert isinstance(read, LoadAnswer if len(data) == 16 else MalformedAnswer)


@given(st.binary(min_size=16, max_size=16), st.integers(0, MAX_FEN), st.binary(min_size=6, max_size=6))
def test_every_answer_leads_to_mac_inputs_of_their_lengths(data: bytes, amount: int, terminal: bytes) -> None:
    load = Load(Fen(amount), terminal, LoadAnswer.parse(data), CardTime("20260101120000"))

    assert [len(load.session_seed), len(load.mac1_data), len(load.mac2_data), len(load.tac_data)] == [
        8,
        15,
        18,
        24,
    ]
    assert load.balance_after.amount == int.from_bytes(load.tac_data[:4], "big") & MAX_FEN


def test_an_overdrawn_purse_adds_up_in_32_bits() -> None:
    load = Load(Fen(300), TERMINAL, an_answer(balance_raw=0xFFFFFF9C), CardTime("20260101120000"))

    assert load.tac_data[:4] == (200).to_bytes(4, "big")
    assert load.balance_after == Fen(200)


@pytest.mark.parametrize("data", ["mac2_data", "tac_data"])
def test_a_load_without_its_time_has_no_mac2_and_no_tac(data: str) -> None:
    load = Load(Fen(1), TERMINAL, an_answer())

    with pytest.raises(InvalidValue, match="at: expected"):
        getattr(load, data)


def test_neither_answer_nor_load_prints_what_is_maced() -> None:
    load = load_of(CHIP)

    assert repr(load.answer) == "LoadAnswer(atc=0, key=1, algorithm=00)"
    assert repr(load) == "Load(amount=7223, atc=0)"


@pytest.mark.parametrize("amount", [0, 1, 99_000])
def test_a_load_that_fits_below_the_ceiling_is_let_through(amount: int) -> None:
    an_answer(balance_raw=1000).require_room(Fen(amount), ceiling=Fen(100_000))

    assert an_answer().balance == Fen(1000)


def test_a_load_above_the_ceiling_says_how_much_room_is_left() -> None:
    with pytest.raises(PurseFull, match="room for 99000 fen") as caught:
        an_answer(balance_raw=1000).require_room(Fen(99_001), ceiling=Fen(100_000))

    assert caught.value.problem_code == "purse_full"
    assert dict(caught.value.details) == {"ceiling_fen": 100_000, "room_fen": 99_000}


def test_a_purse_already_above_the_ceiling_has_no_room() -> None:
    with pytest.raises(PurseFull, match="room for 0 fen"):
        an_answer(balance_raw=2000).require_room(Fen(1), ceiling=Fen(1000))


@pytest.mark.parametrize(
    "fields",
    [
        (-1, 0, 0, 0, bytes(4)),
        (2**32, 0, 0, 0, bytes(4)),
        (0, 65536, 0, 0, bytes(4)),
        (0, 0, 256, 0, bytes(4)),
        (0, 0, 0, -1, bytes(4)),
        (0, 0, 0, 0, bytes(5)),
    ],
)
def test_an_answer_outside_its_fields_is_refused(fields: tuple[int, int, int, int, bytes]) -> None:
    with pytest.raises(InvalidValue, match="load_answer"):
        LoadAnswer(*fields, Mac4(bytes(4)))


@pytest.mark.parametrize("length", [0, 5, 7])
def test_a_terminal_number_has_six_bytes(length: int) -> None:
    with pytest.raises(InvalidValue, match="terminal"):
        Load(Fen(1), bytes(length), an_answer())
    with pytest.raises(InvalidValue, match="terminal"):
        purse.initialize_for_load(1, Fen(1), bytes(length))


def test_a_transaction_type_is_one_byte() -> None:
    with pytest.raises(InvalidValue, match="transaction_type"):
        Load(Fen(1), TERMINAL, an_answer(), transaction_type=256)


def test_a_key_index_is_one_byte() -> None:
    with pytest.raises(InvalidValue, match="key_index"):
        purse.initialize_for_load(256, Fen(1), TERMINAL)


def test_the_tac_of_a_load_is_four_bytes() -> None:
    assert purse.parse_tac(bytes.fromhex("ED0F8755")) == Mac4(bytes.fromhex("ED0F8755"))


def test_a_balance_is_read_without_its_top_bit() -> None:
    assert purse.get_balance().encode().hex() == "805c000204"
    assert purse.parse_balance(bytes.fromhex("80000064")) == Fen(100)


def test_a_proof_is_asked_for_by_type_and_counter() -> None:
    assert purse.get_transaction_prove(7).encode().hex() == "805a000202000708"


def test_a_counter_has_two_bytes() -> None:
    with pytest.raises(InvalidValue, match="atc"):
        purse.get_transaction_prove(65536)


def test_a_proof_holds_mac_and_tac() -> None:
    found = purse.parse_prove(bytes.fromhex("00000000ED0F8755"))

    assert found == purse.Prove(Mac4(bytes(4)), Mac4(bytes.fromhex("ED0F8755")))


@given(st.binary(max_size=20))
def test_any_short_answer_is_a_value_or_a_malformed_answer(data: bytes) -> None:
    for length, read in ((4, purse.parse_tac), (4, purse.parse_balance), (8, purse.parse_prove)):
        assert isinstance(outcome(read, data), MalformedAnswer) == (len(data) != length)


@by_name
def test_an_answer_survives_the_way_through_its_parser(vector: dict[str, str]) -> None:
    answer = LoadAnswer.parse(answer_of(vector))

    assert answer.balance_raw == int(vector["bal"], 16)
    assert answer.online_atc == int(vector["atc"], 16)
