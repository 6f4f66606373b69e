"""What the launcher says when a service cannot be had."""


class ServiceProblem(Exception):
    """A service is missing or does not start; the message names what would help."""
