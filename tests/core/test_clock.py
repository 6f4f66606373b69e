from datetime import UTC, datetime, timedelta

from ota.core.clock import SystemClock


def test_the_system_clock_tells_aware_utc_time() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)
