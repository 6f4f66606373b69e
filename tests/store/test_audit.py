"""The audit trail tells of every edit, insertion, deletion, reordering and cut, and of a chain written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from ota.store import audit, audit_check
from ota.store.anchors import Anchor, Anchors, AnchorsDamaged, read_anchors
from ota.store.audit import GENESIS, Entry, Head
from ota.store.audit_check import Finding, Witness
from ota.store.engine import open_engine
from ota.store.phases import Store
from tests.store.conftest import SetClock

STREAM = "decisions"
Tamper = Callable[[Connection], object]


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Store]:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    opened = Store(open_engine(migrated_database_url, wait_s=5))
    yield opened
    opened.close()


def entry(number: int, at: datetime, stream: str = STREAM) -> Entry:
    data = {"order": f"top_{number}", "fen": 100 * number, "b": [1, {"z": 1, "a": None}]}
    return Entry(stream, "clerk", "proposed", f"dec_{number}", data, at)


def write(store: Store, clock: SetClock, count: int, stream: str = STREAM) -> list[Head]:
    made = []
    for number in range(1, count + 1):
        clock.advance(seconds=1.000001)
        with store.begin() as tx:
            made.append(audit.append(tx, entry(number, clock.now(), stream)))
    return made


def verified(store: Store, anchors: Iterable[Anchor] = ()) -> list[Finding]:
    with store.snapshot() as tx:
        return audit_check.verify(tx, Witness(SetClock().now(), list(anchors))).findings


def tamper(store: Store, change: Tamper) -> None:
    """Change the trail as an administrator of the database could: with its guard taken off."""
    with store.begin() as tx:
        if tx.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                tx.exec_driver_sql(f"DROP TRIGGER audit_no_{verb}")
        else:
            tx.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        change(tx)


def where(position: int) -> sa.ColumnElement[bool]:
    return sa.and_(audit.audit.c.stream == STREAM, audit.audit.c.position == position)


def row(tx: Connection, position: int) -> dict[str, Any]:
    return dict(tx.execute(sa.select(audit.audit).where(where(position))).one()._mapping)


def edit(**values: object) -> Tamper:
    return lambda tx: tx.execute(audit.audit.update().where(where(3)).values(**values))


def delete(position: int) -> Tamper:
    return lambda tx: tx.execute(audit.audit.delete().where(where(position)))


def swap(tx: Connection) -> None:
    """Exchange the contents of two entries; each keeps its position."""
    second, third = row(tx, 2), row(tx, 3)
    for position, other in ((2, third), (3, second)):
        contents = {name: other[name] for name in ("actor", "action", "subject_id", "data", "at", "digest")}
        tx.execute(audit.audit.update().where(where(position)).values(**contents))


def renumber(tx: Connection) -> None:
    """Exchange the positions of two entries."""
    for position, new in ((2, 99), (3, 2), (99, 3)):
        tx.execute(audit.audit.update().where(where(position)).values(position=new))


def insert(tx: Connection) -> None:
    """Push a forged entry in between, with a digest that fits where it stands."""
    for position in (5, 4, 3):
        tx.execute(audit.audit.update().where(where(position)).values(position=position + 1))
    before = row(tx, 2)
    forged = entry(9, before["at"])
    digest = audit.digest_of(forged, 3, bytes(before["digest"]))
    _insert(tx, forged, 3, bytes(before["digest"]), digest)


def add_at_the_end(tx: Connection) -> None:
    last = row(tx, 5)
    forged = entry(9, last["at"])
    previous = bytes(last["digest"])
    _insert(tx, forged, 6, previous, audit.digest_of(forged, 6, previous))


def _insert(tx: Connection, new: Entry, position: int, previous: bytes, digest: bytes) -> None:
    tx.execute(
        audit.audit.insert().values(
            stream=new.stream,
            position=position,
            actor=new.actor,
            action=new.action,
            subject_id=new.subject_id,
            data=dict(new.data),
            at=new.at,
            previous=previous,
            digest=digest,
        )
    )


def write_anew(tx: Connection) -> None:
    """Change an entry and compute every digest after it again, the head included: a chain without a flaw."""
    tx.execute(audit.audit.update().where(where(3)).values(actor="nobody"))
    previous = bytes(row(tx, 2)["digest"])
    for position in (3, 4, 5):
        found = row(tx, position)
        told = Entry(*(found[name] for name in ("stream", "actor", "action", "subject_id", "data", "at")))
        digest = audit.digest_of(told, position, previous)
        tx.execute(audit.audit.update().where(where(position)).values(previous=previous, digest=digest))
        previous = digest
    set_head(5, previous)(tx)


def set_head(position: int, digest: bytes) -> Tamper:
    return lambda tx: tx.execute(audit.audit_head.update().values(position=position, digest=digest))


def cut(position: int) -> Tamper:
    """Remove the tail and set the head back, so that the rest looks complete."""

    def change(tx: Connection) -> None:
        tx.execute(audit.audit.delete().where(audit.audit.c.position > position))
        digest = bytes(row(tx, position)["digest"]) if position else GENESIS
        set_head(position, digest)(tx)

    return change


def test_an_untouched_trail_has_no_findings(store: Store, clock: SetClock) -> None:
    write(store, clock, 5)
    write(store, clock, 3, "refunds")

    assert verified(store) == []
    with store.snapshot() as tx:
        assert audit_check.count(tx) == 8


def test_an_empty_trail_has_no_findings(store: Store) -> None:
    assert verified(store) == []


def test_each_entry_names_the_one_before_it(store: Store, clock: SetClock) -> None:
    made = write(store, clock, 3)

    with store.read() as tx:
        rows = [row(tx, position) for position in (1, 2, 3)]
        heads = audit.heads(tx)
    assert [bytes(each["previous"]) for each in rows] == [GENESIS, made[0].digest, made[1].digest]
    assert heads == [made[2]]


def test_the_digest_covers_every_field(clock: SetClock) -> None:
    told = entry(1, clock.now())
    others = [
        Entry("refunds", told.actor, told.action, told.subject_id, told.data, told.at),
        Entry(told.stream, "x", told.action, told.subject_id, told.data, told.at),
        Entry(told.stream, told.actor, "x", told.subject_id, told.data, told.at),
        Entry(told.stream, told.actor, told.action, "x", told.data, told.at),
        Entry(told.stream, told.actor, told.action, told.subject_id, {}, told.at),
        Entry(
            told.stream,
            told.actor,
            told.action,
            told.subject_id,
            told.data,
            told.at + timedelta(microseconds=1),
        ),
    ]

    digests = {audit.digest_of(each, 1, GENESIS) for each in (told, *others)}
    digests |= {audit.digest_of(told, 2, GENESIS), audit.digest_of(told, 1, b"\1" * 32)}

    assert len(digests) == 9


def test_the_digest_does_not_depend_on_the_order_of_keys(clock: SetClock) -> None:
    one = Entry(STREAM, "a", "b", "c", {"x": 1, "y": 2}, clock.now())
    other = Entry(STREAM, "a", "b", "c", {"y": 2, "x": 1}, clock.now())

    assert audit.digest_of(one, 1, GENESIS) == audit.digest_of(other, 1, GENESIS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(edit(actor="nobody"), [(3, "edited")], id="actor edited"),
        pytest.param(edit(action="approved"), [(3, "edited")], id="action edited"),
        pytest.param(edit(subject_id="dec_9"), [(3, "edited")], id="subject edited"),
        pytest.param(edit(data={"fen": 1}), [(3, "edited")], id="data edited"),
        pytest.param(edit(digest=b"\0" * 32), [(3, "edited"), (4, "relinked")], id="digest edited"),
        pytest.param(edit(previous=b"\0" * 32), [(3, "relinked"), (3, "edited")], id="link edited"),
        pytest.param(delete(3), [(3, "missing")], id="deleted"),
        pytest.param(delete(1), [(1, "missing")], id="first deleted"),
        pytest.param(delete(5), [(4, "cut")], id="last deleted"),
        pytest.param(
            swap, [(2, "edited"), (3, "relinked"), (3, "edited"), (4, "relinked")], id="contents swapped"
        ),
        pytest.param(
            renumber,
            [(2, "relinked"), (2, "edited"), (3, "relinked"), (3, "edited"), (4, "relinked")],
            id="positions swapped",
        ),
        pytest.param(
            insert,
            [(4, "relinked"), (4, "edited"), (5, "edited"), (6, "edited"), (6, "head")],
            id="inserted",
        ),
        pytest.param(add_at_the_end, [(6, "head")], id="added behind the head"),
        pytest.param(set_head(5, b"\0" * 32), [(5, "head")], id="head edited"),
        pytest.param(set_head(9, b"\0" * 32), [(5, "cut")], id="head ahead"),
        pytest.param(lambda tx: tx.execute(audit.audit_head.delete()), [(5, "head")], id="head deleted"),
        pytest.param(lambda tx: tx.execute(audit.audit.delete()), [(0, "cut")], id="all deleted"),
    ],
)
def test_whatever_was_done_to_the_trail_is_found(
    store: Store, clock: SetClock, change: Tamper, found: list[tuple[int, str]]
) -> None:
    write(store, clock, 5)

    tamper(store, change)

    assert [(each.position, each.what) for each in verified(store)] == found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(write_anew, (4, "anchor"), id="written anew"),
        pytest.param(cut(3), (4, "cut"), id="tail cut"),
        pytest.param(cut(0), (1, "cut"), id="all cut"),
    ],
)
def test_what_hides_from_the_database_is_found_by_an_anchor(
    store: Store, clock: SetClock, tmp_path: Path, change: Tamper, found: tuple[int, str]
) -> None:
    path = tmp_path / "anchors.jsonl"
    write(store, clock, 4)
    Anchors(store, clock, path).write()
    write(store, clock, 1)

    tamper(store, change)

    without, with_anchors = verified(store), verified(store, read_anchors(path))
    assert without == []
    assert [(each.position, each.what) for each in with_anchors] == [found]


def test_one_damaged_stream_does_not_accuse_the_others(store: Store, clock: SetClock) -> None:
    write(store, clock, 5)
    write(store, clock, 5, "refunds")

    tamper(store, edit(actor="nobody"))

    assert {each.stream for each in verified(store)} == {STREAM}


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_the_trail(
    store: Store, clock: SetClock, statement: str
) -> None:
    write(store, clock, 1)

    with pytest.raises(IntegrityError), store.begin() as tx:
        tx.exec_driver_sql(statement)

    assert verified(store) == []


def test_an_entry_lives_and_dies_with_the_step_it_tells_of(store: Store, clock: SetClock) -> None:
    write(store, clock, 1)

    def step() -> None:
        with store.begin() as tx:
            audit.append(tx, entry(2, clock.now()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()
    with store.read() as tx:
        assert audit.heads(tx)[0].position == 1


def test_many_writers_of_one_stream_stand_in_line(store: Store, clock: SetClock) -> None:
    def append(number: int) -> int:
        with store.begin() as tx:
            return audit.append(tx, entry(number, clock.now())).position

    with ThreadPoolExecutor(8) as pool:
        positions = sorted(pool.map(append, range(40)))

    assert positions == list(range(1, 41))
    assert verified(store) == []


def test_the_progress_of_a_long_check_is_told(store: Store, clock: SetClock) -> None:
    write(store, clock, 5)
    steps: list[int] = []

    with store.snapshot() as tx:
        audit_check.verify(tx, Witness(clock.now()), steps.append)

    assert sum(steps) == 5


def test_an_anchor_is_a_line_with_the_newest_digest(store: Store, clock: SetClock, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "anchors.jsonl"
    newest = write(store, clock, 3)[-1]
    anchors = Anchors(store, clock, path)

    written = [anchors.write(), anchors.write()]

    assert written == [1, 0]
    assert orjson.loads(path.read_bytes()) == {
        "at": clock.now().isoformat(),
        "stream": STREAM,
        "position": 3,
        "digest": newest.digest.hex(),
    }
    assert list(read_anchors(path)) == [Anchor(newest, clock.now())]


def test_processes_that_share_a_file_do_not_repeat_each_other(
    store: Store, clock: SetClock, tmp_path: Path
) -> None:
    path = tmp_path / "anchors.jsonl"
    one, other = (Anchors(store, clock, path) for _ in range(2))
    write(store, clock, 2)
    one.write()
    write(store, clock, 1)

    written = [other.write(), one.write()]

    assert written == [1, 0]
    assert [anchor.head.position for anchor in read_anchors(path)] == [2, 3]


def test_a_line_that_was_cut_off_spoils_no_other(store: Store, clock: SetClock, tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    write(store, clock, 1)
    anchors = Anchors(store, clock, path)
    path.write_bytes(b'{"stream": "decisions", "posi')

    written = [anchors.write(), anchors.write()]

    assert written == [1, 0]
    assert orjson.loads(path.read_bytes().splitlines()[1])["position"] == 1
    with pytest.raises(AnchorsDamaged):
        list(read_anchors(path))


def test_a_file_that_is_not_there_anchors_nothing(tmp_path: Path) -> None:
    assert list(read_anchors(tmp_path / "none")) == []


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"stream":"a","position":"x","digest":"00","at":"2026"}'])
def test_a_damaged_anchor_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_text(f"{line}\n")

    with pytest.raises(AnchorsDamaged) as refusal:
        list(read_anchors(path))

    assert refusal.value.details == {"line": 1}
