"""A process's metrics for Prometheus, on a port of their own, where the settings name one."""

from typing import Literal, get_args

from prometheus_client import start_http_server

from core.errors import SettingsError
from core.settings import Settings, variable

Exporting = Literal["bot", "tick", "train", "console"]
"""The processes that have no HTTP API for other programs, in the order of their ports; serving has /metrics there."""


def metrics_port(settings: Settings, process: Exporting) -> int | None:
    """Where a process shows its metrics."""
    first = settings.metrics_port
    return None if first is None else first + get_args(Exporting).index(process)


def export(settings: Settings, process: Exporting) -> None:
    """Show, from now on, what the default registry of prometheus_client holds.

    Raises: SettingsError where the port cannot be had.
    """
    port = metrics_port(settings, process)
    if port is None:
        return
    try:
        start_http_server(port, settings.metrics_host)
    except OSError as error:
        raise SettingsError(
            f"metrics cannot be shown on {settings.metrics_host}:{port} ({error.strerror}); "
            f"set {variable('metrics_port')} to the first of four free ports."
        ) from None
