from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from ota.card.apdu import Command
from ota.card.globalplatform import commands
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import HsmUnavailable, KeyStoreDamaged, Mac1Wrong, TestKeysInProduction
from ota.hsm_adapter.failover import FailoverHsm
from ota.hsm_adapter.pkcs11.errors import HsmPinWrong, KeyAttributesWeak, PinUnreadable
from ota.hsm_adapter.pkcs11.thread import TokenThread
from ota.hsm_adapter.ports import Exposure, Hsm, KeyWriting, Operation
from tests.hsm_adapter.elements import Case, Meeting
from tests.hsm_adapter.keyring import MASTER, a_load, an_hsm, card_key, expected_mac2, expected_tac, key_ref

KEYS = [key_ref(KeyRole.LOAD), key_ref(KeyRole.TAC), key_ref(KeyRole.LOAD, version=9)]
LOAD = a_load()
RANDOM = bytes.fromhex("1FB1F7C0")


class Flaky:
    """An HSM whose methods fail in turn with what was planned, and that counts what it is asked."""

    def __init__(self, hsm: Hsm) -> None:
        self._hsm = hsm
        self.failures: list[BaseException] = []
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._hsm, name)

        def call(*args: Any) -> Any:
            if name in ("capabilities", "health"):
                return method(*args)
            self.asked.append(name)
            self.before()
            if self.failures:
                raise self.failures.pop(0)
            return method(*args)

        return call


@dataclass
class Watch:
    """A clock for pauses and deadlines."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Pair:
    """Two HSMs with the same keys, and both as one."""

    first: Flaky = field(default_factory=lambda: Flaky(an_hsm()))
    second: Flaky = field(default_factory=lambda: Flaky(an_hsm()))
    watch: Watch = field(default_factory=Watch)
    opened: list[str] = field(default_factory=list)

    def both(self, **openers: Callable[[], Any]) -> FailoverHsm:
        def opener(name: str, hsm: Flaky) -> Callable[[], Any]:
            def open_() -> Any:
                self.opened.append(name)
                return hsm

            return open_

        known: Mapping[str, Callable[[], Any]] = {
            "first": opener("first", self.first),
            "second": opener("second", self.second),
        }
        made = FailoverHsm({**known, **openers}, KEYS, monotonic=self.watch)
        self.first.asked.clear()
        self.second.asked.clear()
        return made


def authorise(hsm: Hsm) -> Mac4:
    return hsm.authorise_load(card_key(KeyRole.LOAD), LOAD)


MAC2 = expected_mac2(Algorithm.TDES, LOAD)


def test_the_first_is_asked_as_long_as_it_answers() -> None:
    pair = Pair()
    hsm = pair.both()

    assert authorise(hsm) == MAC2
    assert (pair.first.asked, pair.second.asked) == (["authorise_load"], [])
    assert repr(hsm) == "FailoverHsm(first, second)"


@pytest.mark.parametrize("failure", [HsmUnavailable(), KeyStoreDamaged("altered"), OSError(5, "gone")])
def test_one_that_cannot_answer_is_followed_by_the_next_with_the_same_result(failure: Exception) -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures = [failure]

    assert authorise(hsm) == MAC2
    assert pair.second.asked == ["authorise_load"]


def test_an_error_that_is_an_answer_is_not_asked_again() -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures = [Mac1Wrong()]

    with pytest.raises(Mac1Wrong):
        authorise(hsm)

    assert pair.second.asked == []


def test_when_none_can_answer_nothing_is_computed() -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures, pair.second.failures = [HsmUnavailable()], [HsmUnavailable()]

    with pytest.raises(HsmUnavailable):
        authorise(hsm)


def test_one_that_failed_rests_ever_longer_and_is_checked_before_it_is_trusted_again() -> None:
    pair = Pair()
    hsm = pair.both()
    rests = []
    for _ in range(9):
        began = pair.watch.now
        pair.first.failures = [HsmUnavailable()]
        authorise(hsm)
        pair.first.asked.clear()
        while not pair.first.asked:
            pair.watch.now += 0.5
            pair.first.failures = [HsmUnavailable()]  # the check values cannot be read
            authorise(hsm)
        rests.append(pair.watch.now - began)

    pair.first.failures.clear()
    pair.watch.now += 60
    pair.first.asked.clear()
    authorise(hsm)

    assert rests[:4] == [1, 2, 4, 8]
    assert max(rests) == 60
    assert pair.first.asked == ["kcv", "kcv", "kcv", "authorise_load"]


def test_a_failure_that_many_threads_see_counts_once() -> None:
    pair = Pair()
    hsm = pair.both()
    all_in = threading.Barrier(4)

    def fail() -> None:
        all_in.wait(10)
        raise HsmUnavailable

    pair.first.before = fail
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: authorise(hsm), range(4)))
    pair.first.before = lambda: None
    pair.watch.now += 1

    assert answers == [MAC2] * 4
    assert authorise(hsm) == MAC2
    assert pair.first.asked[-1] == "authorise_load"


def test_one_thread_tries_one_that_has_rested_and_the_others_go_on() -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures = [HsmUnavailable()]
    authorise(hsm)
    pair.watch.now += 1
    answered: list[Mac4] = []

    def meanwhile() -> None:
        pair.first.before = lambda: None
        answered.append(authorise(hsm))

    pair.first.before = meanwhile
    authorise(hsm)

    assert answered == [MAC2]
    assert pair.second.asked == ["authorise_load"] * 2


def test_after_the_deadline_no_other_is_asked() -> None:
    pair = Pair()
    hsm = pair.both()

    def dawdle() -> None:
        pair.watch.now += 2
        raise HsmUnavailable

    pair.first.before = dawdle

    with pytest.raises(HsmUnavailable):
        authorise(hsm)

    assert pair.second.asked == []


@pytest.mark.parametrize(
    "refusal",
    [HsmPinWrong(), PinUnreadable("empty"), KeyAttributesWeak("load", "readable"), TestKeysInProduction()],
)
def test_one_that_refuses_itself_is_never_tried_again(refusal: Exception) -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures = [refusal]

    assert authorise(hsm) == MAC2
    pair.watch.now += 3600
    assert authorise(hsm) == MAC2

    assert pair.first.asked == ["authorise_load"]
    assert not hsm.health().detail.startswith("first: 3 keys")


def test_a_pin_that_turns_out_wrong_when_it_is_opened_late_is_not_tried_again() -> None:
    pair = Pair()
    tries: list[Exception] = [HsmUnavailable(), HsmPinWrong()]

    def open_late() -> Any:
        raise tries.pop(0)

    hsm = pair.both(first=open_late)
    for _ in range(3):
        pair.watch.now += 100
        assert authorise(hsm) == MAC2

    assert tries == []


def test_one_that_was_away_at_the_start_is_opened_later() -> None:
    pair = Pair()
    tries: list[Any] = [HsmUnavailable(), pair.first]

    def open_late() -> Any:
        found = tries.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    hsm = pair.both(first=open_late)
    authorise(hsm)
    assert pair.second.asked == ["authorise_load"]
    pair.watch.now += 1
    authorise(hsm)

    assert pair.first.asked[-1] == "authorise_load"


def test_a_mistake_of_configuration_stops_the_start() -> None:
    def refuse() -> Any:
        raise HsmPinWrong

    with pytest.raises(HsmPinWrong):
        Pair().both(second=refuse)


def test_without_any_hsm_there_is_no_start() -> None:
    def away() -> Any:
        raise HsmUnavailable

    with pytest.raises(HsmUnavailable):
        Pair().both(first=away, second=away)


def test_one_with_other_keys_is_shut_out_at_the_start() -> None:
    pair = Pair(second=Flaky(an_hsm(bytes(reversed(MASTER)))))
    hsm = pair.both()
    pair.first.failures = [HsmUnavailable()]

    with pytest.raises(HsmUnavailable):
        authorise(hsm)

    assert pair.second.asked == []
    assert "its keys differ" in hsm.health().detail


def test_one_that_comes_back_with_other_keys_is_shut_out() -> None:
    pair = Pair()
    hsm = pair.both()
    pair.first.failures = [HsmUnavailable()]
    authorise(hsm)
    pair.first._hsm = an_hsm(bytes(reversed(MASTER)))
    pair.watch.now += 1

    answers = [authorise(hsm) for _ in range(2)]

    assert answers == [MAC2, MAC2]
    assert "authorise_load" not in pair.first.asked[1:]


def test_health_is_good_as_long_as_one_answers_and_wakes_one_that_has_rested() -> None:
    pair = Pair()
    hsm = pair.both()
    assert hsm.health().ok
    pair.first.failures, pair.second.failures = [HsmUnavailable()], [HsmUnavailable()]
    with pytest.raises(HsmUnavailable):
        authorise(hsm)

    resting = hsm.health()
    pair.watch.now += 1
    rested = hsm.health()

    assert (resting.ok, rested.ok) == (False, True)
    assert resting.detail == "first: rests after a failure; second: rests after a failure"


def test_capabilities_are_what_all_of_them_have() -> None:
    found = Pair().both().capabilities()

    assert found.backend == "failover"
    assert found.operations == an_hsm().capabilities().operations
    assert found.operations[Operation.AUTHORISE_LOAD, Algorithm.TDES] is Exposure.CARD_KEY


def test_every_verb_is_passed_on() -> None:
    pair = Pair()
    hsm = pair.both()
    load_key, control = card_key(KeyRole.LOAD), card_key(KeyRole.APP_CONTROL)

    hsm.check_mac1(load_key, LOAD)
    hsm.require_authorising(load_key)
    hsm.authorise_loads([(load_key, LOAD)])
    hsm.verify_tac(card_key(KeyRole.TAC), LOAD, expected_tac(Algorithm.TDES, LOAD))
    hsm.secure_apdu(card_key(KeyRole.APP_BLOCK), RANDOM, Command(0x84, 0x1E, 0, 0))
    hsm.external_auth(control, RANDOM)
    hsm.write_key(load_key, control, RANDOM, KeyWriting(7, 1, bytes(4)))

    assert hsm.kcv(load_key) == an_hsm().kcv(load_key)
    assert len(hsm.random(8)) == 8
    with pytest.raises(InvalidValue):
        hsm.random(0)
    assert pair.first.asked == [
        "check_mac1",
        "require_authorising",
        "authorise_loads",
        "verify_tac",
        "secure_apdu",
        "external_auth",
        "write_key",
        "kcv",
        "random",
        "random",
    ]


def test_a_channel_goes_on_at_the_other_hsm() -> None:
    meeting = Meeting(Case(3, 0x70, Algorithm.AES128, 0x33))
    first, second = Flaky(meeting.hsm), Flaky(meeting.hsm)
    hsm = FailoverHsm({"first": lambda: first, "second": lambda: second}, [])
    answer = meeting.initialize_update()

    hsm.predict_channel(meeting.request, answer[:10], answer[29:])
    channel, authenticate = hsm.open_channel(meeting.request, answer)
    hsm.confirm_prediction(channel, answer)
    meeting.element.transmit(authenticate)
    first.failures = [HsmUnavailable()]
    channel, wrapped = hsm.wrap(channel, [commands.get_data(commands.CARD_RECOGNITION_DATA)])
    hsm.unwrap(channel, wrapped[0].ticket, meeting.element.transmit(wrapped[0].apdu))
    hsm.export_card_key(card_key(KeyRole.LOAD), channel)
    hsm.export_card_keys([card_key(KeyRole.LOAD)], channel)

    assert second.asked == ["wrap", "unwrap", "export_card_key", "export_card_keys"]


class OnThread:
    """An HSM behind the thread that all tokens of a process share; ``hang`` keeps it at its next questions."""

    def __init__(self, thread: TokenThread, deadline_s: float) -> None:
        self._hsm, self._thread, self._deadline_s = an_hsm(), thread, deadline_s
        self.hang: list[threading.Event] = []
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._hsm, name)

        def work(*args: Any) -> Any:
            self.asked += 1
            if self.hang:
                self.hang.pop().wait(30)
            return method(*args)

        return lambda *args: self._thread.run(lambda: work(*args), self._deadline_s)


@dataclass
class SharedThread:
    """Two tokens on one thread; their deadline is half a second, and the clock of pauses stands."""

    watch: Watch = field(default_factory=Watch)
    thread: TokenThread = field(default_factory=TokenThread)
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.first, self.second = OnThread(self.thread, 0.5), OnThread(self.thread, 0.5)
        openers: Mapping[str, Callable[[], Any]] = {
            "first": lambda: self.first,
            "second": lambda: self.second,
        }
        self.both = FailoverHsm(openers, KEYS, monotonic=self.watch)

    def let_go(self) -> None:
        """End the call that hangs, and wait until the thread has come back from it."""
        self.free.set()
        self.thread.run(lambda: None, 10)


def test_a_token_that_hangs_opens_the_breaker_and_the_standby_answers_at_once() -> None:
    tokens = SharedThread()
    tokens.first.hang = [tokens.free]

    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)
    tokens.let_go()
    asked, began = tokens.first.asked, time.monotonic()
    answers = [authorise(tokens.both) for _ in range(20)]
    took_s = time.monotonic() - began

    assert answers == [MAC2] * 20
    assert tokens.first.asked == asked
    assert took_s < 5


def test_a_standby_that_could_not_be_asked_is_not_blamed_for_the_thread() -> None:
    tokens = SharedThread()
    tokens.first.hang = [tokens.free]
    for _ in range(3):  # the first hangs; the second waits behind it in vain
        with pytest.raises(HsmUnavailable):
            authorise(tokens.both)

    tokens.let_go()

    assert authorise(tokens.both) == MAC2
    assert "second: rests" not in tokens.both.health().detail


def test_nobody_waits_any_more_for_a_thread_that_does_not_come_back() -> None:
    tokens = SharedThread()
    tokens.first.hang = [tokens.free]
    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)  # half a second for each

    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(HsmUnavailable):
            authorise(tokens.both)
    took_s = time.monotonic() - began
    tokens.let_go()

    assert took_s < 5
    assert authorise(tokens.both) == MAC2


def test_one_that_hangs_again_when_it_is_tried_again_rests_and_the_standby_goes_on() -> None:
    tokens = SharedThread()
    tokens.first.hang = [tokens.free]
    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)
    tokens.let_go()
    tokens.free.clear()
    tokens.first.hang = [tokens.free]
    tokens.watch.now = 2.0

    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)  # the trial hangs and takes the thread along
    tokens.let_go()

    assert authorise(tokens.both) == MAC2


def test_one_that_has_rested_is_not_blamed_when_the_thread_is_taken_at_its_trial() -> None:
    tokens = SharedThread()
    tokens.first.hang = [tokens.free]
    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)
    tokens.let_go()
    tokens.free.clear()
    tokens.second.hang = [tokens.free]
    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)  # the second hangs
    tokens.watch.now = 1.5

    with pytest.raises(HsmUnavailable):
        authorise(tokens.both)  # the first's trial does not begin
    tokens.let_go()

    assert authorise(tokens.both) == MAC2
    assert "first: rests" not in tokens.both.health().detail
