import pytest

from ota.card.apdu import Command, Response
from ota.card.meanings import BY_COMMAND, EVERY_COMMAND, CommandKind
from ota.card.problems import kind_of, meaning_of, problem_for, require_success, silent_element
from ota.card.status import StatusWord
from ota.core.errors import CardProblem, NextAction

KINDS = list(CommandKind)


@pytest.mark.parametrize(
    ("kind", "sw", "code", "action"),
    [
        ("install", "6A84", "element_memory_full", NextAction.NONE),
        ("store_data", "6A84", "element_memory_full", NextAction.NONE),
        ("install", "6985", "conditions_not_satisfied", NextAction.RESUME),
        ("initialize_for_load", "6985", "conditions_not_satisfied", NextAction.RESUME),
        ("store_data", "6985", "personalisation_incomplete", NextAction.RESUME),
        ("delete", "6985", "still_in_use", NextAction.CONTACT_SERVICE),
        ("credit_for_load", "6985", "load_not_begun", NextAction.RESUME),
        ("credit_for_load", "9302", "mac2_refused", NextAction.RESUME),
        ("credit_for_load", "6982", "mac2_refused", NextAction.RESUME),
        ("initialize_for_load", "6982", "pin_needed", NextAction.RESUME),
        ("initialize_for_load", "9402", "counter_exhausted", NextAction.CONTACT_SERVICE),
        ("initialize_for_load", "9403", "key_index_unknown", NextAction.CONTACT_SERVICE),
        ("initialize_for_load", "9303", "application_locked_forever", NextAction.CONTACT_SERVICE),
        ("initialize_for_load", "63C2", "pin_tries_left", NextAction.NONE),
        ("initialize_for_load", "6581", "element_memory_failure", NextAction.RETRY_SAME_KEY),
        ("external_authenticate", "6300", "host_cryptogram_refused", NextAction.CONTACT_SERVICE),
        ("external_authenticate", "63C2", "authentication_tries_left", NextAction.CONTACT_SERVICE),
        ("external_authenticate", "6983", "authentication_blocked", NextAction.CONTACT_SERVICE),
        ("verify_pin", "63C0", "pin_blocked", NextAction.CONTACT_SERVICE),
        ("verify_pin", "6983", "pin_blocked", NextAction.CONTACT_SERVICE),
        ("read", "63C0", "authentication_blocked", NextAction.CONTACT_SERVICE),
        ("select", "6A82", "application_absent", NextAction.NONE),
        ("select", "6A81", "application_locked", NextAction.CONTACT_SERVICE),
        ("select", "6283", "application_locked", NextAction.CONTACT_SERVICE),
        ("get_transaction_prove", "9406", "no_transaction_prove", NextAction.RESUME),
        ("get_transaction_prove", "6D00", "prove_unsupported", NextAction.NONE),
        ("read", "6C1E", "wrong_le", NextAction.RETRY_SAME_KEY),
        ("read", "6110", "more_data", NextAction.RETRY_SAME_KEY),
        ("other", "1234", "unexpected_status", NextAction.CONTACT_SERVICE),
    ],
)
def test_a_status_word_means_what_its_command_makes_of_it(
    kind: str, sw: str, code: str, action: NextAction
) -> None:
    problem = problem_for(CommandKind(kind), StatusWord.from_hex(sw))

    assert (problem.problem_code, problem.action) == (code, action)
    assert problem.may_retry is (action in (NextAction.RETRY_SAME_KEY, NextAction.RESUME))
    assert problem.details["sw"] == sw
    assert all(sw in text for text in problem.message.values())


def test_the_tries_that_are_left_are_told() -> None:
    assert problem_for(CommandKind.VERIFY_PIN, StatusWord(0x63C2)).details["tries_left"] == 2
    assert "tries_left" not in problem_for(CommandKind.VERIFY_PIN, StatusWord(0x6983)).details


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_word_has_a_meaning_for_every_command(kind: CommandKind) -> None:
    codes = {meaning_of(kind, StatusWord(value)).code for value in range(0x6000, 0xA000, 7)}

    assert "unexpected_status" in codes
    assert all(code.replace("_", "").isalnum() for code in codes)


def test_a_code_means_the_same_wherever_it_stands() -> None:
    meanings = [
        *EVERY_COMMAND.values(),
        *(meaning for table in BY_COMMAND.values() for meaning in table.values()),
    ]

    assert len({meaning.code for meaning in meanings}) == len(set(meanings))


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("00A40400", CommandKind.SELECT),
        ("80502000", CommandKind.INITIALIZE_UPDATE),
        ("80500002", CommandKind.INITIALIZE_FOR_LOAD),
        ("80500102", CommandKind.INITIALIZE_FOR_PURCHASE),
        ("80500302", CommandKind.INITIALIZE_FOR_PURCHASE),
        ("84820300", CommandKind.EXTERNAL_AUTHENTICATE),
        ("84E60C00", CommandKind.INSTALL),
        ("84E2E800", CommandKind.STORE_DATA),
        ("80520000", CommandKind.CREDIT_FOR_LOAD),
        ("00B201C4", CommandKind.READ),
        ("80CA9F7F", CommandKind.OTHER),
    ],
)
def test_a_commands_table_is_found_by_its_header(header: str, kind: CommandKind) -> None:
    assert kind_of(Command.from_hex(header)) is kind


def test_a_successful_answer_gives_its_data() -> None:
    assert require_success(
        Command.from_hex("805C000204"), Response(b"\x00" * 4, StatusWord(0x9000))
    ) == bytes(4)


def test_an_unsuccessful_answer_becomes_its_commands_problem() -> None:
    with pytest.raises(CardProblem) as caught:
        require_success(Command.from_hex("84E60C00"), Response(b"", StatusWord(0x6A84)))

    assert caught.value.problem_code == "element_memory_full"
    assert caught.value.details["command"] == "install"


def test_a_silent_element_is_worth_another_contact() -> None:
    problem = silent_element("timeout")

    assert (problem.problem_code, problem.action, problem.may_retry) == (
        "element_silent",
        NextAction.RESUME,
        True,
    )
    assert problem.details["transport_error"] == "timeout"
