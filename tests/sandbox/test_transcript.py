"""What is printed for people."""

from __future__ import annotations

import io

from rich.cells import cell_len
from rich.console import Console

from ota.sandbox.reader import Answer, Spoken
from ota.sandbox.transcript import WIDTH, Transcript, WatchedConnection, make_console
from tests.sandbox.connections import ScriptedConnection


def printed(width: int = WIDTH) -> tuple[Transcript, io.StringIO]:
    sink = io.StringIO()
    return Transcript(Console(file=sink, width=width, highlight=False)), sink


def said(command: str, data: str = "", sw: int = 0x9000, note: str = "") -> Spoken:
    return Spoken(bytes.fromhex(command), Answer(bytes.fromhex(data), sw), 0.25, note)


def test_a_command_stands_on_one_line_with_meaning_and_answer() -> None:
    transcript, sink = printed()

    transcript.said(said("805C000204", "00001388"))
    transcript.said(said("84E28800A8" + "AB" * 168, "CD" * 8, note="STORE DATA t-union"))

    first, second = sink.getvalue().splitlines()
    assert first.split() == [
        "1",
        "805C000204",
        "GET",
        "BALANCE",
        "读余额",
        "=",
        "50.00",
        "元",
        "00001388",
        "9000",
        "ok",
        "成功",
    ]
    assert "84E28800 A8 ABABABABAB…" in second
    assert "STORE DATA t-union 写个人化数据" in second
    assert "CDCDCDCDCDCD… 8 B" in second
    assert transcript.card_seconds == 0.5


def test_status_words_stand_under_each_other() -> None:
    transcript, sink = printed()

    for command, sw in (("805C000204", 0x9000), ("84E4000018" + "00" * 24, 0x6A88), ("00B0950000", 0x6A82)):
        transcript.said(said(command, sw=sw))

    columns = {
        cell_len(line[: line.index(sw)])
        for line, sw in zip(sink.getvalue().splitlines(), ("9000", "6A88", "6A82"), strict=True)
    }
    assert len(columns) == 1


def test_a_narrow_window_shows_status_words_only() -> None:
    transcript, sink = printed(80)

    transcript.said(said("805C000204", "00001388"))

    (line,) = sink.getvalue().splitlines()
    assert "50.00 元" in line
    assert "9000 ok" in line
    assert "00001388" not in line


def test_a_load_is_explained_below_its_line() -> None:
    transcript, sink = printed()

    transcript.said(said("805200000B201408251031000641DCD804", "ED0F8755"))

    assert "MAC2 0641DCD8 → TAC ED0F8755" in sink.getvalue().splitlines()[1]


def test_facts_notes_and_requests_are_told() -> None:
    transcript, sink = printed()

    transcript.heading("Issue", "发卡")
    transcript.note("[not markup]")
    transcript.fact(True, "it holds")
    transcript.fact(False, "it does not")
    transcript.asked("POST", "/v1/topups", 201, 0.0125)

    text = sink.getvalue()
    assert "Issue 发卡" in text
    assert "[not markup]" in text
    assert "✓ it holds" in text
    assert "✗ it does not" in text
    assert "POST /v1/topups 201 12.5 ms" in text
    assert transcript.platform_seconds == 0.0125


def test_a_watched_connection_tells_path_status_and_time_but_no_query() -> None:
    told: list[tuple[object, ...]] = []
    connection = WatchedConnection(ScriptedConnection((404, {})), lambda *what: told.append(what))

    reply = connection.send("GET", "/v1/topups?card_no=3104870312345678906", {}, None)

    assert reply.status == 404
    assert [each[:3] for each in told] == [("GET", "/v1/topups", 404)]


def test_a_console_that_nobody_watches_has_a_fixed_width() -> None:
    assert make_console().width == WIDTH


def test_a_quiet_console_prints_nothing() -> None:
    console = make_console(quiet=True)

    with console.capture() as captured:
        console.print("anything")

    assert captured.get() == ""
