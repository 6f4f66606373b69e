"""What a city's host is told when the platform does not do what it asks."""

from ota.core.errors import BadRequest, Conflict, NotAllowed, NotFound


class NotYourCard(NotAllowed):
    """The card is another city's, or the city answers for its own cards itself."""

    code = "not_your_card"
    english = "A city may ask about its own cards only, and only if this platform holds their keys."
    chinese = "城市平台只能查询由本平台持有密钥的本市卡片。"


class LoadUnknown(NotFound):
    """The city never asked for a load of this name."""

    code = "load_unknown"
    english = "No load of this name was asked for."
    chinese = "没有该编号的圈存请求。"


class LoadIdReused(BadRequest):
    """The same load id came with another card or another load."""

    code = "load_id_reused"
    english = "This load id was used for another load; choose a new one."
    chinese = "该圈存编号已用于另一笔圈存, 请更换。"


class LoadEnded(Conflict):
    """The load is loaded or void, and the city asks for the opposite."""

    def __init__(self, state: str) -> None:
        super().__init__(
            code=f"load_{state}",
            english=f"This load is {state} already.",
            chinese=f"该笔圈存状态已为 {state}。",
            details={"state": state},
        )


class CardHasOpenLoad(Conflict):
    """Another load of the card is authorised and not ended: confirm or void it first."""

    code = "card_has_open_load"
    english = "Another load of this card is open; it must be confirmed, voided or settled at a contact first."
    chinese = "该卡尚有未完成的圈存, 须先确认、撤销或在接触时核实。"


class TacNeeded(BadRequest):
    """A city proves its load with the card's TAC."""

    code = "tac_needed"
    english = "A load is confirmed with the card's TAC."
    chinese = "确认圈存须提供卡片的 TAC。"
