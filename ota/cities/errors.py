"""What a caller is told when a card, a city or an amount does not fit the cities' profiles."""

from ota.core.errors import NextAction, NotFound, Refused


class CardOutsideProvince(Refused):
    """No city of the province issues this number. The number itself is not repeated in the message."""

    code = "card_outside_province"
    english = "This card was not issued by a city of the province; it cannot be served here."
    chinese = "该卡不是本省各市发行的卡片, 无法受理。"


class CityNotLive(Refused):
    """The city is known, but its service has not been opened (or is closed)."""

    code = "city_not_live"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, name_en: str, name_zh: str) -> None:
        super().__init__(
            english=f"The service for cards of {name_en} is not open.",
            chinese=f"{name_zh}的业务尚未开通。",
            details={"city": name_en},
        )


class CityUnknown(NotFound):
    """There is no city of this name or code."""

    code = "city_unknown"
    english = "There is no such city here; give its pinyin name, its Chinese name or its clearing area code."
    chinese = "未找到该城市, 请使用拼音、中文名或清算地区代码。"


class AmountOutsideLimits(Refused):
    """A load is smaller or larger than the city allows."""

    code = "amount_outside_limits"

    def __init__(self, low_fen: int, high_fen: int) -> None:
        super().__init__(
            english=f"The amount must be between {low_fen} and {high_fen} fen.",
            chinese=f"充值金额应在 {low_fen} 分至 {high_fen} 分之间。",
            details={"min_load_fen": low_fen, "max_load_fen": high_fen},
        )


class BalanceOverCeiling(Refused):
    """After the load the purse would hold more than it may."""

    code = "balance_over_ceiling"

    def __init__(self, ceiling_fen: int) -> None:
        super().__init__(
            english=f"The card may hold at most {ceiling_fen} fen; this load would exceed it.",
            chinese=f"卡内余额不得超过 {ceiling_fen} 分, 本次充值将超出上限。",
            details={"balance_ceiling_fen": ceiling_fen},
        )


class CardKeyUnknown(Refused):
    """The card states a key version that its city does not have; another one is never tried."""

    code = "card_key_unknown"
    next_action = NextAction.CONTACT_SERVICE
    english = "The card states a key version or an algorithm that its city does not use."
    chinese = "卡片的密钥版本或算法不在该城市的配置中。"
