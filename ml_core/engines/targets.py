"""The servers of a remote engine, as the setting ``ENGINE_TARGETS`` names them."""

import ipaddress
from collections.abc import Sequence


def targets_problem(targets: Sequence[str]) -> str:
    """What is wrong with a list of "host:port"; empty if nothing is."""
    if not targets:
        return "it is empty; expected host:port of the cluster"
    hosts = [target.rpartition(":") for target in targets]
    for target, (host, _, port) in zip(targets, hosts, strict=True):
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            return f"{target!r} is not host:port"
    versions = {_ip_version(host) for host, _, _ in hosts}
    if len(targets) > 1 and (None in versions or len(versions) > 1):
        return (
            "several servers are IP addresses of the same version, or one name that has the "
            "addresses of all"
        )
    return ""


def grpc_address(targets: Sequence[str]) -> str:
    """gRPC's name for servers that take turns: IP addresses, or all those of one host name."""
    version = _ip_version(targets[0].rpartition(":")[0])
    return f"ipv{version}:{','.join(targets)}" if version else f"dns:///{targets[0]}"


def _ip_version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host.strip("[]")).version
    except ValueError:
        return None
