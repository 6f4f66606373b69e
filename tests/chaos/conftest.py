from __future__ import annotations

from tests.platform import make_platform, platform

__all__ = ["make_platform", "platform"]
