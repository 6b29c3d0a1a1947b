"""What the bot says, in the language of whoever it is said to: Fluent messages, one file a language."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

from fluent.runtime import FluentBundle, FluentResource

DEFAULT = "en"
LANGUAGES = (DEFAULT, "de", "es", "ru", "zh")
_spoken: ContextVar[str] = ContextVar("spoken", default=DEFAULT)


def known(code: str | None) -> str:
    """The language of a code as Telegram gives it (`de`, `zh-hans`); English where the bot does not speak it."""
    language = (code or DEFAULT).lower().partition("-")[0]
    return language if language in LANGUAGES else DEFAULT


@contextmanager
def speaking(code: str | None) -> Iterator[None]:
    """Within it everything is said in the language of a code."""
    token = _spoken.set(known(code))
    try:
        yield
    finally:
        _spoken.reset(token)


def say(message: str, **values: str | int) -> str:
    """A message with its values filled in.

    Raises: LookupError where there is no such message, or a value is missing.
    """
    bundle = _bundle(_spoken.get())
    pattern = bundle.get_message(message).value
    if pattern is None:
        raise LookupError(f"{message} has no value")
    text, errors = bundle.format_pattern(pattern, values)
    if errors:
        raise LookupError(f"{message}: {errors[0]}")
    return str(text)


def is_said(message: str) -> bool:
    """Whether there is such a message."""
    return _bundle(_spoken.get()).has_message(message)


def slug(name: str) -> str:
    """A name or a word as a part of a message's name."""
    return name.lower().replace("_", "-").replace(" ", "-")


@cache
def _bundle(language: str) -> FluentBundle:
    bundle = FluentBundle([language], use_isolating=False)
    text = files("bot").joinpath("locales", f"{language}.ftl").read_text(encoding="utf-8")
    bundle.add_resource(FluentResource(text))
    return bundle
