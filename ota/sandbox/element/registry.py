"""What is on the card: packages, and applications with security domains among them (GP Card Spec 2.3.1 6.4)."""

from __future__ import annotations

from dataclasses import dataclass

from ota.sandbox.element.application import Applet, Application


@dataclass(frozen=True, slots=True)
class Package:
    """An executable load file that came with the card, with the modules in it."""

    aid: bytes
    modules: tuple[bytes, ...]


class Registry:
    """Applications in the order in which they came; the issuer's security domain is the first."""

    def __init__(self, packages: tuple[Package, ...]) -> None:
        self.packages = packages
        self.applications: list[Application] = []

    @property
    def memory_used(self) -> int:
        """Bytes that the instances take."""
        return sum(applet.memory for applet in self.applets)

    @property
    def applets(self) -> list[Applet]:
        """The installed instances, without the security domains."""
        return [found for found in self.applications if isinstance(found, Applet)]

    def find(self, aid: bytes) -> Application | None:
        """The application of exactly this AID."""
        return next((found for found in self.applications if found.aid == aid), None)

    def find_applet(self, aid: bytes) -> Applet | None:
        """The installed instance of exactly this AID."""
        return next((found for found in self.applets if found.aid == aid), None)

    def find_package(self, aid: bytes) -> Package | None:
        """The package of exactly this AID."""
        return next((found for found in self.packages if found.aid == aid), None)

    def matching(self, name: bytes) -> list[Application]:
        """Applications that a full or partial AID names, the exact one first."""
        found = [app for app in self.applications if app.aid.startswith(name) and app.selectable]
        return sorted(found, key=lambda app: app.aid != name)

    def users_of(self, applet: Applet) -> list[Applet]:
        """Instances that cannot live without another one."""
        return [other for other in self.applets if applet in other.needs]
