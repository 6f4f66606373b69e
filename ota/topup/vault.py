"""The keys' side of a load: the name of the key that the card chose, and the authority that answers for the card."""

from ota.card.keys import KeyRole
from ota.card.purse import Load
from ota.core.values import CardNumber, Mac4
from ota.hsm_adapter.errors import KeyNotUsable, TacWrong
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.routing import Routing
from ota.topup.rules import RuleBook


class LoadVault:
    """Speaks of loads to whichever authority answers for the card. Holds no key, only names."""

    def __init__(self, routing: Routing, rules: RuleBook) -> None:
        self._routing = routing
        self._rules = rules

    def check_mac1(self, card: CardNumber, load: Load) -> None:
        """Raise Mac1Wrong unless the card's own load key made this answer."""
        self._routing.authority(card).check_mac1(self._key(card, load, KeyRole.LOAD), load)

    def bar(self, card: CardNumber, load: Load) -> KeyNotUsable | None:
        """Why no load may be authorised with the key that this card chose, such as a verify-only one; None: it may."""
        try:
            self._routing.authority(card).require_authorising(self._key(card, load, KeyRole.LOAD))
        except KeyNotUsable as bar:
            return bar
        return None

    def authorise_load(self, load_id: str, card: CardNumber, load: Load) -> Mac4:
        """MAC2 for a load whose MAC1 holds; the same load always gives the same one.

        ``load_id`` is the attempt's, which is durable by now: a city's host knows the load by it.
        """
        authority = self._routing.authority(card, load_id)
        return authority.authorise_load(self._key(card, load, KeyRole.LOAD), load)

    def verify_tac(self, load_id: str, card: CardNumber, load: Load, tac: Mac4) -> None:
        """Raise TacWrong unless the card made this TAC for this load."""
        self._routing.authority(card, load_id).verify_tac(self._key(card, load, KeyRole.TAC), load, tac)

    def is_tac_of(self, load_id: str, card: CardNumber, load: Load, tac: Mac4) -> bool:
        """Whether the card made this TAC for this load."""
        try:
            self.verify_tac(load_id, card, load, tac)
        except TacWrong:
            return False
        return True

    def _key(self, card: CardNumber, load: Load, role: KeyRole) -> CardKey:
        """The card states version and algorithm; another is never tried. Raises MalformedAnswer, CardKeyUnknown."""
        rules = self._rules.of_card(card)
        algorithm = rules.purse.algorithm(load.answer.algorithm_id)
        return rules.city.card_key(card, role, algorithm, load.answer.key_version)
