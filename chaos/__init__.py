"""Real processes, killed at random while phones load cards over HTTP; then every fen is looked for (`make chaos`)."""
