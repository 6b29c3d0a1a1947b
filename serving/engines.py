"""Which engine serves: the one place that knows both, so that the gate judges with the numerics that serve."""

from adapters.base import Base
from core.settings import Settings
from serving.engine import Engine
from serving.local import MIN_ROOM, LocalEngine
from serving.vllm import VllmEngine


def make_engine(settings: Settings, base: Base, queue: int, suffix: str = "") -> Engine:
    """The engine that the settings name; `queue` requests may wait. It is not started yet.

    `suffix` keeps apart what this process loads from what others load on the same vLLM servers.
    """
    if settings.engine == "vllm":
        urls, context = settings.vllm_servers, context_tokens(settings)
        return VllmEngine(base, urls, settings.streams, queue, context, suffix)
    return LocalEngine.from_settings(settings, base, queue)


def context_tokens(settings: Settings) -> int:
    """How many tokens a prompt and its reply may have together, where the model takes as many."""
    return settings.prompt_tokens + max(MIN_ROOM, settings.reply_tokens)
