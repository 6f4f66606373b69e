"""What wallets are told: events of their orders and cards, sent to their servers and kept to be read later."""
