"""Whether a port can be had."""

import socket

WILDCARDS = ("0.0.0.0", "::", "")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def reachable(host: str, port: int) -> str:
    """The address under which a server that binds to `host` is reached from this machine."""
    near = "127.0.0.1" if host in WILDCARDS else host
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"
