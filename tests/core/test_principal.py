from ota.core.principal import CallerKind, Principal


def test_a_principal_may_do_what_its_scopes_name_and_nothing_else() -> None:
    wallet = Principal(CallerKind.WALLET, "huawei", frozenset({"topup:write"}))

    assert wallet.may("topup:write")
    assert not wallet.may("issuance:write")


def test_a_principal_without_scopes_may_do_nothing() -> None:
    assert not Principal(CallerKind.PHONE, "ses_1").may("")
