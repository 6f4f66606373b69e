"""The server-driven conversation with a card: a batch out, its results in, the next batch."""
