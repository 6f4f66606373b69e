"""Programs that tests start as processes of their own: python -m tests.hsm_adapter.pkcs11.programs.NAME."""
