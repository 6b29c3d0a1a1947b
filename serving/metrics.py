"""What serving counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector


class Metrics:
    """One process's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.answers = Counter(
            "apprentice_answers",
            "Answers, by how they ended and what they rest on.",
            ["end", "origin"],
            registry=self.registry,
        )
        self.generation_tokens = Counter("apprentice_generation_tokens", "Tokens generated.", registry=self.registry)
        self.first_token = Histogram(
            "apprentice_time_to_first_token_seconds",
            "From the request to the first visible text.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16),
            registry=self.registry,
        )
        self.running = Gauge("apprentice_requests_running", "Answers being generated.", registry=self.registry)
        self.feedback = Counter("apprentice_feedback", "Feedback events, by kind.", ["kind"], registry=self.registry)
        self.canary = Gauge(
            "apprentice_canary_share", "Share of the chats routed to a version on trial.", registry=self.registry
        )
        self.installed = Gauge("apprentice_installed_versions", "Adapter versions installed.", registry=self.registry)
        self.chunks = Gauge("apprentice_index_chunks", "Passages in the index of documents.", registry=self.registry)
