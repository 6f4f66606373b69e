"""Customer service: what a person decides about money, and a second person approves."""
