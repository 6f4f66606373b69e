"""PostgreSQL, Valkey and SoftHSM2 for tests and development, started from wheels without touching the system."""
