"""What is done about events later: names of jobs; `ota.wiring` says which service method each one runs."""

from typing import Final

TELL_WALLET: Final = "tell_wallet"
"""Subject: an event. Gives it its place in the wallet's feed and sends it, when its turn has come."""

RESUME_FEED: Final = "resume_feed"
"""Subject: a wallet. Calls for the events that waited while its server was left alone."""
