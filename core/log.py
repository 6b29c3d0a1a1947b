"""Logging for every process: one line a record, no secrets, and nobody's words."""

import logging
import re
import sys

from core.settings import Settings

_INPUT = re.compile(r"input_value=.*, input_type=")
"""How a failed validation quotes what it was given, which may be what somebody wrote."""


class Redacted(logging.Formatter):
    """Formats a record, exceptions included, with every secret value blotted out, and every input that was refused."""

    def __init__(self, secrets: tuple[str, ...]):
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets and inputs."""
        line = _INPUT.sub("input_value=[hidden], input_type=", super().format(record))
        for secret in self._secrets:
            line = line.replace(secret, "[secret]")
        return line


def configure_logging(settings: Settings) -> None:
    """Send the log of this process to standard error."""
    fields = (settings.telegram_bot_token, settings.telegram_webhook_secret, settings.api_key)
    secrets = [field.get_secret_value() for field in fields if field]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacted(tuple(secrets)))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "aiogram.event", "uvicorn.access", "pdfminer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
