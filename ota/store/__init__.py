"""Where things are kept: engine and phases, history, outbox, idempotency, replay, callers, migrations."""
