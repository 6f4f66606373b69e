"""GlobalPlatform on the card's side of the wire: commands, and for SCP02 and SCP03 what is MACed and derived."""
