"""Whether a program of this machine asks. Where no keys are asked for on loopback, only such a one needs none."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import unquote

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy adds: then the caller is not on this machine, though the proxy is."""


def is_local(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request is from a program on this machine, and not from a web page in a browser on it.

    A page may send requests to loopback, and may give its own name that address; but then `Host` or `Origin` says so.
    """
    # A unix socket has no address; whoever can open it is on this machine.
    if address and not is_loopback(address):
        return False
    if any(headers.get(name) for name in FORWARDED):
        return False
    origin = headers.get("origin")
    return is_loopback(_host(headers.get("host", ""))) and (
        origin is None or is_loopback(_host(origin.partition("://")[2]))
    )


def is_local_peer(peer: str, metadata: Mapping[str, str]) -> bool:
    """The same of a call of gRPC, whose peers are `ipv4:127.0.0.1:5`, `ipv6:%5B::1%5D:5` or `unix:`.

    No browser speaks gRPC without a proxy, so there are no pages to be told apart.
    """
    if any(metadata.get(name) for name in FORWARDED):
        return False
    kind, _, address = unquote(peer).partition(":")
    return kind == "unix" or is_loopback(address.rpartition(":")[0].strip("[]"))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # A socket for both kinds of addresses tells the older ones so.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _host(location: str) -> str:
    """The host of `host:port`."""
    if location.startswith("["):
        return location[1:].partition("]")[0]
    return location.partition(":")[0].lower()
