"""The one truth about which card sits on which element, and the inventory of card numbers."""
