"""A database that went back to an earlier moment without a word does not serve: its anchors know more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.cli.preparation import prepare
from ota.store import audit_check
from ota.store.anchors import Anchors, read_anchors
from ota.store.audit_check import Witness
from ota.store.older import DatabaseOlder, require_not_older
from tests.platform import Platform, any_platform, make_platform, number, platform, sqlite_url
from tests.restores import backup, tell

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]

CARD = number(906).digits


def anchored(platform: Platform) -> Path:
    """What the server does each minute."""
    path = platform.settings.anchor_file
    Anchors(platform.built.store, platform.clock, path).write()
    return path


def is_refused(platform: Platform, path: Path) -> bool:
    try:
        require_not_older(platform.built.store, path, platform.clock.now())
    except DatabaseOlder:
        return True
    return False


def something_happens(platform: Platform) -> None:
    platform.clock.advance(minutes=1)
    platform.order_topup(CARD)


def test_a_database_that_has_what_its_anchors_tell_of_serves(any_platform: Platform) -> None:
    something_happens(any_platform)
    path = anchored(any_platform)
    something_happens(any_platform)

    assert not is_refused(any_platform, path)


def test_a_database_without_anchors_serves(platform: Platform, tmp_path: Path) -> None:
    assert not is_refused(platform, tmp_path / "nothing.jsonl")


def test_a_database_that_was_put_back_is_refused_and_told_what_to_do(platform: Platform) -> None:
    before = backup(platform)
    something_happens(platform)
    anchored(platform)
    before.put_back()

    with pytest.raises(DatabaseOlder, match="ota db restored") as refused:
        prepare(platform.settings, platform.clock.now())

    assert refused.value.problem_code == "database_restored"
    assert refused.value.details["stream"] == "state_history"


def test_what_was_written_after_it_was_put_back_does_not_hide_it(platform: Platform) -> None:
    """As many steps as before, but others."""
    before = backup(platform)
    something_happens(platform)
    path = anchored(platform)
    before.put_back()
    something_happens(platform)
    something_happens(platform)

    assert is_refused(platform, path)


def test_an_entry_of_the_audit_trail_that_is_gone_is_noticed(platform: Platform) -> None:
    before = backup(platform)
    order = platform.order_topup(CARD)
    platform.post(f"/v1/topups/{order['order_id']}/refund")
    path = anchored(platform)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if '"refunds"' in line]
    path.write_text("\n".join([*lines, "no anchor", ""]), encoding="utf-8")
    before.put_back()

    with pytest.raises(DatabaseOlder, match="refunds 1"):
        require_not_older(platform.built.store, path, platform.clock.now())


def test_a_restore_that_was_told_of_serves_and_is_anchored_anew(platform: Platform) -> None:
    before = backup(platform)
    order = platform.order_topup(CARD)
    platform.post(f"/v1/topups/{order['order_id']}/refund")
    anchored(platform)

    known = before.restored().restore_id
    something_happens(platform)
    path = anchored(platform)

    assert not is_refused(platform, path)
    with platform.built.store.snapshot() as tx:
        witness = Witness(platform.clock.now(), read_anchors(path), [known])
        assert audit_check.verify(tx, witness).findings == []


def test_a_row_of_a_restore_that_the_trail_does_not_tell_of_lets_nothing_serve(platform: Platform) -> None:
    before = backup(platform)
    something_happens(platform)
    path = anchored(platform)
    before.put_back()
    platform.change(
        "INSERT INTO database_restore (id, backup_at, at, actor, data) SELECT 'rst_forged', NULL, '2099-01-01 00:00:00', 'x', '{}'"
    )

    assert is_refused(platform, path)


def test_a_second_silent_restore_is_refused_again(platform: Platform) -> None:
    tell(platform)
    before = backup(platform)
    something_happens(platform)
    path = anchored(platform)
    before.put_back()

    assert is_refused(platform, path)


def test_entries_that_were_cut_are_found_also_before_a_restore(platform: Platform) -> None:
    order = platform.order_topup(CARD)
    platform.post(f"/v1/topups/{order['order_id']}/refund")
    path = anchored(platform)
    platform.clock.advance(minutes=1)
    tell(platform)
    for verb in ("update", "delete"):
        platform.change(f"DROP TRIGGER audit_no_{verb}")
    platform.change(
        "UPDATE audit SET actor = 'nobody', digest = zeroblob(32) WHERE stream = 'refunds' AND position = 1"
    )

    with platform.built.store.snapshot() as tx:
        witness = Witness(platform.clock.now(), read_anchors(path))
        found = {finding.what for finding in audit_check.verify(tx, witness).findings}

    assert "anchor" in found
