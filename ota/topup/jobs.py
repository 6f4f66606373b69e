"""What top-up does later: names of jobs; `ota.wiring` says which service method each one runs."""

from typing import Final

SETTLE_SILENT_LOAD: Final = "settle_silent_load"
"""Subject: a load attempt. Calls it uncertain when its MAC2 left and nothing came back."""

SEND_REFUND: Final = "send_refund"
"""Subject: a refund. Sends it to its wallet, or asks the wallet what became of it."""
