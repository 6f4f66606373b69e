"""Top-up (空中充值): from a paid order to money in the purse, once."""
