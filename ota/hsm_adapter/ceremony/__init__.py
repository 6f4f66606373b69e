"""How keys come in, move on and go out: by officers with components, by key blocks, each step on a signed record."""
