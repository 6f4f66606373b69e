import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.batch import Batch, BatchCommand, BatchResult, Checked, Report, TransportError, check_report
from ota.card.status import SUCCESS, StatusPattern, StatusWord
from ota.core.errors import InvalidReport, InvalidValue
from tests.outcome import outcome

BATCH = Batch(
    (
        BatchCommand(bytes.fromhex("00A4040008A00000063201010500"), note="select"),
        BatchCommand(bytes.fromhex("80E400000A4F085041592E4150505900"), StatusPattern("9000|6A88")),
        BatchCommand(bytes.fromhex("805C000204")),
    )
)
DONE = Report(
    3, (BatchResult(1, SUCCESS), BatchResult(2, StatusWord(0x6A88)), BatchResult(3, SUCCESS, bytes(4)))
)


def test_the_digest_of_a_batch_is_over_numbers_commands_and_expectations() -> None:
    lines = (
        b"1 00A4040008A00000063201010500 9000\n"
        b"2 80E400000A4F085041592E4150505900 9000|6A88\n"
        b"3 805C000204 9000\n"
    )

    assert BATCH.digest == "sha256:" + hashlib.sha256(lines).hexdigest()


def test_the_digest_of_a_report_is_over_the_batch_the_results_and_the_ending() -> None:
    lines = BATCH.digest + "\n1 9000 \n2 6A88 \n3 9000 00000000\nstopped_at=- transport_error=-\n"

    assert DONE.digest(BATCH) == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_of_a_broken_report_names_where_and_why() -> None:
    report = Report(1, DONE.results[:1], 2, TransportError.TIMEOUT)
    lines = BATCH.digest + "\n1 9000 \nstopped_at=2 transport_error=timeout\n"

    assert report.digest(BATCH) == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def test_a_batch_that_ran_through_is_complete() -> None:
    checked = check_report(BATCH, DONE)

    assert checked.is_complete
    assert checked.mismatch is None
    assert [response.sw for response in checked.responses] == [SUCCESS, StatusWord(0x6A88), SUCCESS]


@pytest.mark.parametrize(("i", "found"), [(0, False), (1, True), (3, True), (4, False)])
def test_an_answer_is_found_by_its_number(i: int, *, found: bool) -> None:
    assert (check_report(BATCH, DONE).response(i) is not None) is found


def test_an_unexpected_answer_stops_the_batch_and_is_told() -> None:
    checked = check_report(BATCH, Report(2, (DONE.results[0], BatchResult(2, StatusWord(0x6985))), 2))

    assert checked.stopped_at == 2
    assert checked.mismatch is not None
    assert checked.mismatch.sw == StatusWord(0x6985)


@pytest.mark.parametrize("stopped_at", [None, 2])
def test_a_broken_transport_leaves_the_next_command_unknown(stopped_at: int | None) -> None:
    checked = check_report(BATCH, Report(1, DONE.results[:1], stopped_at, TransportError.SE_UNAVAILABLE))

    assert not checked.is_complete
    assert checked.stopped_at == 2
    assert checked.mismatch is None
    assert checked.transport_error is TransportError.SE_UNAVAILABLE


def test_a_transport_that_never_worked_reports_no_results() -> None:
    assert check_report(BATCH, Report(0, (), 1, TransportError.ACCESS_DENIED)).stopped_at == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"executed": 2}, "executed is not the number"),
        ({"executed": 4, "results": (*DONE.results, BatchResult(4, SUCCESS))}, "more results"),
        ({"results": (DONE.results[1], DONE.results[0], DONE.results[2])}, "numbered otherwise"),
        ({"results": (DONE.results[0], DONE.results[0], DONE.results[2])}, "numbered otherwise"),
        ({"executed": 2, "results": DONE.results[:2]}, "results are missing"),
        ({"executed": 0, "results": ()}, "results are missing"),
        ({"stopped_at": 3}, "stopped_at contradicts"),
        ({"stopped_at": 0}, "stopped_at contradicts"),
        ({"results": (replace(DONE.results[0], sw=StatusWord(0x6A82)), *DONE.results[1:])}, "goes on after"),
        ({"results": (*DONE.results[:2], replace(DONE.results[2], sw=StatusWord(0x6A82)))}, "stopped_at contradicts"),
        ({"transport_error": TransportError.TIMEOUT}, "every command was answered"),
        (
            {"executed": 1, "results": (BatchResult(1, StatusWord(0x6A82)),), "transport_error": TransportError.TIMEOUT},
            "both an unexpected answer",
        ),
        (
            {"executed": 1, "results": DONE.results[:1], "stopped_at": 1, "transport_error": TransportError.TIMEOUT},
            "stopped_at contradicts",
        ),
    ],
)  # fmt: skip
def test_a_report_that_contradicts_its_batch_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidReport, match=why):
        check_report(BATCH, replace(DONE, **change))


results = st.builds(
    BatchResult,
    st.integers(1, 5),
    st.sampled_from([0x9000, 0x6A88, 0x6A82]).map(StatusWord),
    st.binary(max_size=3),
)


@given(
    st.builds(
        Report,
        st.integers(-1, 5),
        st.lists(results, max_size=5).map(tuple),
        st.none() | st.integers(-1, 5),
        st.none() | st.sampled_from(TransportError),
    )
)
def test_any_report_is_believed_whole_or_refused(report: Report) -> None:
    checked = outcome(check_report, BATCH, report)

    assert isinstance(checked, InvalidReport) or (
        isinstance(checked, Checked)
        and len(checked.responses) == report.executed
        and checked.is_complete == (report.executed == len(BATCH) and checked.mismatch is None)
    )


@pytest.mark.parametrize("count", [0, 256])
def test_a_batch_has_1_to_255_commands(count: int) -> None:
    with pytest.raises(InvalidValue, match="commands"):
        Batch((BATCH.commands[0],) * count)


def test_a_command_that_is_none_does_not_enter_a_batch() -> None:
    with pytest.raises(InvalidValue, match="apdu"):
        BatchCommand(b"\x00\xa4")


@pytest.mark.parametrize(("i", "data"), [(0, b""), (256, b""), (1, bytes(257))])
def test_a_result_outside_its_fields_is_refused(i: int, data: bytes) -> None:
    with pytest.raises(InvalidValue, match="expected"):
        BatchResult(i, SUCCESS, data)


def test_neither_command_nor_result_prints_its_data() -> None:
    assert repr(BATCH.commands[0]) == "BatchCommand(00A40400, 14 bytes, expect=9000)"
    assert repr(DONE.results[2]) == "BatchResult(3, 9000, 4 bytes)"
