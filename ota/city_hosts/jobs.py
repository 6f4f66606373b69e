"""What city hosts are told later: names of jobs; `ota.wiring` says which service method each one runs."""

from typing import Final

TELL_CITY_HOST: Final = "tell_city_host"
"""Subject: a load attempt. Tells the card's own city how the load ended, until the city acknowledges."""
