"""The cities of the province as data: who issues which card numbers, with which keys, within which limits."""
