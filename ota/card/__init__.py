"""What the bytes of a card look like: no key, no database, no socket. It says WHAT to MAC, never with which key."""
