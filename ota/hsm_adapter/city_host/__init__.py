"""A self-issuing city's own platform as the authority for its cards: signed messages both ways (PROTOCOL.md, city hosts)."""
