"""A restore explains what its backup could not hold, if the trail tells of it and somebody knows of it; nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ota.store import audit, audit_check, restores
from ota.store.anchors import Anchors, read_anchors
from ota.store.audit import Entry
from ota.store.audit_check import Verdict, Witness
from tests.platform import Platform, any_platform, make_platform, number, platform, sqlite_url
from tests.restores import backup, tell

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]

FORGED = "rst_forged"


def decide(platform: Platform, *numbers: int) -> None:
    """Entries of the trail, a minute apart."""
    for each in numbers:
        platform.clock.advance(minutes=1)
        with platform.built.store.begin() as tx:
            told = Entry("decisions", "clerk", "approved", f"dec_{each}", {}, platform.clock.now())
            audit.append(tx, told)


def anchored(platform: Platform) -> Path:
    path = platform.settings.anchor_file
    Anchors(platform.built.store, platform.clock, path).write()
    return path


def cut(platform: Platform, position: int) -> None:
    """Remove the tail and mend the head, as whoever owns the database could."""
    with platform.built.store.begin() as tx:
        if tx.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                tx.exec_driver_sql(f"DROP TRIGGER audit_no_{verb}")
        else:
            tx.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        mine = audit.audit.c.stream == "decisions"
        tx.execute(audit.audit.delete().where(mine, audit.audit.c.position > position))
        last = tx.execute(sa.select(audit.audit).where(mine, audit.audit.c.position == position)).one()
        head = audit.audit_head.update().where(audit.audit_head.c.stream == "decisions")
        tx.execute(head.values(position=position, digest=last.digest))


def forge(
    platform: Platform, *, at: datetime | None = None, backup_at: datetime | None = None, entry: bool = True
) -> None:
    """Say that there was a restore: with the rights of a server, INSERT is enough."""
    at = at or platform.clock.now()
    with platform.built.store.begin() as tx:
        restores.record(tx, restores.Restore(FORGED, backup_at, at), "x", {})
        if entry:
            data = {"backup_at": None if backup_at is None else backup_at.isoformat()}
            audit.append(tx, Entry(audit.RESTORES, "x", "database_restored", FORGED, data, at))


def verified(platform: Platform, known: Collection[str] = ()) -> Verdict:
    with platform.built.store.snapshot() as tx:
        witness = Witness(platform.clock.now(), read_anchors(platform.settings.anchor_file), known)
        return audit_check.verify(tx, witness)


def found(verdict: Verdict) -> set[tuple[str, str]]:
    return {(each.stream, each.what) for each in verdict.findings}


def test_a_row_of_a_restore_alone_excuses_no_cut_and_is_a_finding(any_platform: Platform) -> None:
    decide(any_platform, *range(10))
    anchored(any_platform)
    cut(any_platform, 4)
    any_platform.clock.advance(minutes=1)
    forge(any_platform, entry=False)

    verdict = verified(any_platform)

    assert found(verdict) == {("decisions", "cut"), ("restores", "restore")}
    assert verdict.restores == []


def test_a_row_of_a_restore_alone_excuses_no_tail_that_was_written_anew(platform: Platform) -> None:
    decide(platform, *range(10))
    anchored(platform)
    cut(platform, 4)
    forge(platform, entry=False)
    decide(platform, *range(20, 30))

    assert ("decisions", "anchor") in found(verified(platform, [FORGED]))


def test_a_restore_that_row_and_trail_tell_of_is_a_finding_until_somebody_knows_of_it(
    any_platform: Platform,
) -> None:
    decide(any_platform, *range(10))
    anchored(any_platform)
    cut(any_platform, 4)
    any_platform.clock.advance(minutes=1)
    forge(any_platform)

    unknown, known = verified(any_platform), verified(any_platform, [FORGED])

    assert found(unknown) == {("restores", "restore")}
    assert f"--restore {FORGED}" in unknown.findings[0].detail
    assert known.findings == []
    assert [(each.restore_id, each.anchors, each.known) for each in known.restores] == [(FORGED, 1, True)]


def test_a_restore_that_took_nothing_away_needs_nobody_who_knows_of_it(platform: Platform) -> None:
    decide(platform, 1, 2)
    anchored(platform)
    platform.clock.advance(minutes=1)

    tell(platform)

    assert verified(platform) == Verdict([], [])


def test_a_restore_excuses_nothing_that_its_backup_held(platform: Platform) -> None:
    """The anchor is older than the newest step of the backup, so what it tells of was in it."""
    decide(platform, 1, 2, 3)
    anchored(platform)
    platform.clock.advance(minutes=5)
    platform.order_topup(number(906).digits)
    before = backup(platform)
    known = before.restored().restore_id
    cut(platform, 1)

    assert ("decisions", "cut") in found(verified(platform, [known]))


def test_what_an_earlier_restore_explained_stays_explained_after_the_next(platform: Platform) -> None:
    before = backup(platform)
    decide(platform, 1, 2)
    anchored(platform)
    first = before.restored().restore_id
    platform.order_topup(number(906).digits)
    decide(platform, 3)
    anchored(platform)
    second = backup(platform).restored().restore_id

    assert verified(platform, [first, second]).findings == []


def test_a_restore_that_is_known_and_not_there_is_a_finding(platform: Platform) -> None:
    assert found(verified(platform, ["rst_gone"])) == {("restores", "restore")}


def contradicting(platform: Platform) -> None:
    forge(platform)
    platform.change("DROP TRIGGER database_restore_no_update")
    platform.change("UPDATE database_restore SET actor = 'y'")


def without_its_row(platform: Platform) -> None:
    forge(platform)
    platform.change("DROP TRIGGER database_restore_no_delete")
    platform.change("DELETE FROM database_restore")


def told_twice(platform: Platform) -> None:
    forge(platform)
    with platform.built.store.begin() as tx:
        now = platform.clock.now()
        audit.append(tx, Entry(audit.RESTORES, "x", "database_restored", FORGED, {"backup_at": None}, now))


def of_the_future(platform: Platform) -> None:
    forge(platform, at=platform.clock.now() + timedelta(days=1))


def older_than_its_backup(platform: Platform) -> None:
    forge(platform, backup_at=platform.clock.now() + timedelta(minutes=15))


@pytest.mark.parametrize(
    "wrong", [contradicting, without_its_row, told_twice, of_the_future, older_than_its_backup]
)
def test_a_restore_that_does_not_fit_explains_nothing_even_if_it_is_named(
    platform: Platform, wrong: Callable[[Platform], None]
) -> None:
    decide(platform, *range(10))
    anchored(platform)
    cut(platform, 4)
    platform.clock.advance(minutes=1)
    wrong(platform)

    assert found(verified(platform, [FORGED])) == {("decisions", "cut"), ("restores", "restore")}


def test_a_forged_restore_of_the_future_does_not_stop_what_has_moved_from_being_anchored_once(
    platform: Platform,
) -> None:
    of_the_future(platform)
    path = anchored(platform)

    again = Anchors(platform.built.store, platform.clock, path).write()

    assert again == 0
