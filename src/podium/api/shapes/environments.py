"""Environments as clients write them. What a sandbox of this version cannot do is refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from podium.api.shapes.body import Body, wrong
from podium.api.shapes.parts import NOT_AVAILABLE, Description, Metadata, MetadataChange, Text, one_of

PACKAGES = ("apt", "cargo", "gem", "go", "npm", "pip")


def _nothing(value: Any) -> Any:
    if value:
        raise wrong(NOT_AVAILABLE)
    return value


Nothing = Annotated[list[str] | None, AfterValidator(_nothing)]
Off = Annotated[bool | None, AfterValidator(_nothing)]


class Unrestricted(Body):
    """No rule about the network."""

    type: Literal["unrestricted"]


class Limited(Body):
    """Only what is listed, which may be nothing."""

    type: Literal["limited"]
    allowed_hosts: Nothing = None
    allow_mcp_servers: Off = None
    allow_package_managers: Off = None


class Packages(Body):
    """Packages to install: none."""

    type: Literal["packages"] = "packages"
    apt: Nothing = None
    cargo: Nothing = None
    gem: Nothing = None
    go: Nothing = None
    npm: Nothing = None
    pip: Nothing = None


Networking = Annotated[Unrestricted | Limited, one_of("type", {"unrestricted": Unrestricted, "limited": Limited})]


class Cloud(Body):
    """Where tools run: the sandbox of this machine. `anthropic_cloud` is its older name."""

    type: Literal["cloud", "anthropic_cloud"]
    networking: Networking | None = None
    packages: Packages | None = None


class SelfHosted(Body):
    """Where tools run: on workers of the user's."""

    type: Literal["self_hosted"]


_CLOUD: dict[str, type[Body]] = {"cloud": Cloud, "anthropic_cloud": Cloud}


def _organization(scope: str) -> str:
    if scope != "organization":
        raise wrong("must be 'organization': an environment belongs to its whole workspace")
    return scope


Scope = Annotated[Literal["organization", "account"], AfterValidator(_organization)]


class EnvironmentCreate(Body):
    """An environment to create."""

    name: Text
    description: Description | None = None
    config: Annotated[Cloud, one_of("type", _CLOUD, not_yet=("self_hosted",))] | None = None
    metadata: Metadata | None = None
    scope: Scope | None = None


class EnvironmentUpdate(Body):
    """What to change of an environment; what is left out stays."""

    name: Text | None = None
    description: Description | None = None
    """Null clears it."""
    config: Annotated[Cloud | SelfHosted, one_of("type", {**_CLOUD, "self_hosted": SelfHosted})] | None = None
    metadata: MetadataChange | None = None
    """Pairs to set; null or "" deletes one."""
    scope: Scope | None = None
