from tests.platform import any_platform, make_platform, platform, sqlite_url

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]
