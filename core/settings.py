"""One typed object for every setting; an unknown or invalid one stops the start with one sentence."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from core.errors import SettingsError
from core.records import ReviewPolicy

PREFIX = "APPRENTICE_"
TOKEN = "TELEGRAM_BOT_TOKEN"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WILDCARDS = ("0.0.0.0", "::", "")
TRAINING_FOLDER, CHECKPOINT_FILE = "training", "checkpoint.pt"
"""Where, in the data folder, a training that was killed goes on."""

RunCode = Literal["owner", "everyone", "nobody"]

DEFAULT_SYSTEM = "You are a helpful AI assistant named Apprentice."

Port = Annotated[int, Field(ge=1, le=65535)]
Empty = BeforeValidator(lambda value: None if value == "" else value)
LoraMethod = Literal["rslora", "lora", "dora"]
OptimiserName = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]


class Settings(BaseModel):
    """Every setting, with its default. In the environment each has the prefix `APPRENTICE_`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        Path("data"), description="Folder of everything that is kept: models, adapters, index, database."
    )
    redis_url: Annotated[str | None, Empty] = Field(
        None, description="Redis or Valkey to use, as redis://host:port/0. Empty: a bundled Valkey is started."
    )
    valkey_port: Port = Field(6390, description="Port of the bundled Valkey (on 127.0.0.1).")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")

    model: Annotated[str | None, Empty] = Field(
        None,
        description="Hugging Face id or folder of a causal language model. Empty: the bundled SmolLM2-135M-Instruct.",
    )
    model_languages: Annotated[str | None, Empty] = Field(
        None,
        description="Languages the model understands, as en,es; to others it says so. Empty: en if bundled, else all.",
    )
    embedder: Annotated[str | None, Empty] = Field(
        None, description="Hugging Face id or local folder of a sentence embedder. Empty: the bundled all-MiniLM-L6-v2."
    )
    system_prompt: str = Field(DEFAULT_SYSTEM, description="What the model is told first in every conversation.")
    prompt_tokens: int = Field(
        1536, ge=256, description="Token budget of a prompt; the oldest turns are dropped beyond it."
    )
    reply_tokens: int = Field(256, ge=1, description="Longest reply, in tokens, where a request names no limit.")
    engine: Literal["local", "vllm"] = Field(
        "local", description="What generates: local (in the serving process) or vllm (vLLM servers, over HTTP)."
    )
    vllm_urls: Annotated[str | None, Empty] = Field(
        None, description="The vLLM servers for the engine vllm, as http://host:port, separated by commas."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the local engine computes.")
    streams: int = Field(8, ge=1, description="Answers generated side by side.")
    queue: int = Field(32, ge=0, description="Requests that may wait beyond these; more are told to try again.")
    adapter_slots: int = Field(4, ge=2, description="Adapter versions held in memory side by side.")
    kind: str = Field(
        "chat", pattern="^[a-z]+$", description="Kind of task where a request names none; see docs/kinds.md."
    )
    label_min_probability: float = Field(
        0.5, ge=0.0, le=1.0, description="Probability below which a label is not given, and `unsure` is said instead."
    )
    report_schema: Annotated[Path | None, Empty] = Field(
        None, description="File with the JSON schema of reports where a request brings none. Empty: they are free text."
    )
    run_code: RunCode = Field(
        "owner", description="For whom programs in answers are run, in a sandbox: owner, everyone or nobody."
    )
    temperature: float = Field(
        0.0, ge=0.0, le=2.0, description="Sampling temperature where a request names none; 0 is greedy."
    )

    best_of: int = Field(
        1, ge=1, le=8, description="Replies sampled for a question; the surest is said (needs an outcome head)."
    )
    unsure_below: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Bot and playground say that they are not sure of replies less likely to work than this; 0: never.",
    )

    serving_host: str = Field("127.0.0.1", description="Address the HTTP API binds to; any other needs an API key.")
    serving_port: Port = Field(8080, description="Port of the HTTP API.")
    serving_url: Annotated[str | None, Empty] = Field(
        None, description="Where bot and console reach the HTTP API. Empty: this machine, at the port above."
    )
    api_key: Annotated[SecretStr | None, Empty] = Field(None, description="Bearer key of the HTTP API.")
    console_host: str = Field(
        "127.0.0.1",
        description="Address the console binds to; any other needs an admin's account and its public address.",
    )
    console_port: Port = Field(8090, description="Port of the console and its playground.")
    metrics_port: Annotated[int | None, Empty] = Field(
        None,
        ge=1,
        le=65532,
        description="First of four ports of Prometheus metrics: bot, worker tick, worker train, console. Empty: none.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address that these bind to; they hold figures and version ids.")
    console_url: Annotated[str | None, Empty] = Field(
        None,
        description="Where others reach the console, as https://console.example.org. Empty: this machine alone does.",
    )

    passages: int = Field(5, ge=1, le=20, description="Passages retrieved for a question.")
    min_similarity: float = Field(
        0.45, ge=0.0, le=1.0, description="Cosine similarity below which a passage is not relevant."
    )

    document_max_mb: int = Field(
        10, ge=1, le=50, description="Largest document that people may send (MB); Telegram's own server gives bots 20."
    )

    turn_retention_days: int = Field(90, ge=1, description="Days an unapproved turn and its feedback are kept.")
    review_policy: ReviewPolicy = Field(
        "all", description="What counts only once an operator has decided: all feedback, what is flagged, or none."
    )
    author_share: float = Field(
        0.1, gt=0.0, le=1.0, description="Largest share of a refresh that one person may have (the owner excepted)."
    )
    refresh_min_items: int = Field(60, ge=5, description="Newly approved items that make a refresh due.")
    refresh_interval_s: int = Field(
        86_400, ge=1, description="Or this long after the last one, if anything new was approved."
    )
    canary_share: float = Field(
        0.0,
        ge=0.0,
        le=0.5,
        description="Share of the chats that try a version which passed the gate first; 0: it is live at once.",
    )
    canary_max_s: int = Field(
        259_200, ge=1, description="A trial without a verdict ends after this long, and what was live stays."
    )
    forget_max_s: int = Field(
        86_400, ge=0, description="Longest time that a version which saw somebody forgotten may go on answering."
    )
    tick_s: int = Field(5, ge=1, description="How often the schedule asks whether a refresh is due.")
    lock_s: int = Field(30, ge=3, description="After this long without a sign of life a refresh is taken over.")
    practice: int = Field(
        0, ge=0, le=16, description="Answers to each program asked for that a refresh first tries for itself; 0: none."
    )
    train_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where training computes.")
    lora_rank: int = Field(16, ge=1, le=256, description="Rank of new adapters.")
    lora_method: LoraMethod = Field(
        "rslora", description="Kind of new adapters: rslora, lora, or dora (which vLLM does not serve)."
    )
    lora_layers: Annotated[int | None, Empty] = Field(
        None, ge=1, description="Number of the model's last layers that are tuned. Empty: all."
    )
    lora_dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="Share of an adapter's inputs that is left out at random while it learns."
    )
    epochs: Annotated[int | None, Empty] = Field(
        None, ge=1, le=20, description="Passes over the examples in a refresh. Empty: 3 to 8, more over fewer."
    )
    batch: int = Field(8, ge=1, le=1024, description="Examples of an optimiser step.")
    optimiser: OptimiserName = Field(
        "adamw", description="What makes the steps: adamw, or sgd with momentum, which needs a far higher rate."
    )
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="Peak learning rate of a refresh.")
    schedule: Schedule = Field(
        "cosine", description="How the rate goes on from its peak: cosine or linear down to zero, or constant."
    )
    warmup_share: float = Field(
        0.1, ge=0.0, lt=1.0, description="Share of the steps in which the rate rises to its peak."
    )
    weight_decay: float = Field(0.0, ge=0.0, lt=1.0, description="Weight decay of the optimiser; 0: none.")
    early_stopping: int = Field(
        2, ge=0, le=20, description="Passes in a row that may be worse than the best; 0: nothing is watched."
    )
    train_precision: Precision = Field(
        "auto", description="Number type of training: float32, bfloat16 (mixed), or auto: the faster one here."
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    train_max_s: int = Field(
        3600, ge=1, description="Longest training of a refresh, in seconds; it keeps what it learned until then."
    )
    reservoir_max_items: int = Field(
        2000, ge=100, description="Approved items that a pass of a refresh reads; of more, a sample of every age."
    )
    wandb_project: Annotated[str | None, Empty] = Field(
        None, description="Weights & Biases project for the curves of trainings. Empty: TensorBoard's files only."
    )
    wandb_offline: bool = Field(False, description="Keep Weights & Biases' files on this machine.")

    telegram_api_base: str = Field("https://api.telegram.org", description="Bot API server; change it for a local one.")
    telegram_proxy: Annotated[SecretStr | None, Empty] = Field(
        None, description="HTTP proxy to Telegram, as http://user:password@host:3128. Empty: straight."
    )
    telegram_webhook_url: Annotated[str | None, Empty] = Field(
        None, description="Public https address for a webhook. Empty: long polling."
    )
    telegram_webhook_secret: Annotated[SecretStr | None, Empty] = Field(
        None, description="Secret Telegram sends with each webhook call (letters, digits, _ and -)."
    )
    telegram_webhook_host: str = Field("127.0.0.1", description="Address the webhook listens on.")
    telegram_webhook_port: Port = Field(8443, description="Port the webhook listens on.")
    telegram_webhook_certificate: Annotated[Path | None, Empty] = Field(
        None, description="Certificate (PEM) of the webhook where no proxy ends TLS. Empty: plain HTTP behind a proxy."
    )
    telegram_webhook_key: Annotated[Path | None, Empty] = Field(
        None, description="Private key (PEM) of that certificate. Empty: it stands in the same file."
    )
    telegram_streaming: Literal["edits", "drafts"] = Field(
        "edits", description="How answers grow: by edits, or as drafts in private chats (some clients flicker)."
    )
    telegram_rich: bool = Field(
        False, description="Complete answers as rich messages, with real tables (some clients show them blank)."
    )
    telegram_trigger: Annotated[str | None, Empty] = Field(
        None, description="Word that a message in a group may begin with to be meant for the bot. Empty: none."
    )
    telegram_late_s: int = Field(
        600, ge=60, description="Questions that waited longer, through sleep or an outage, are answered by one apology."
    )
    telegram_allowed: Annotated[str | None, Empty] = Field(
        None, description="Telegram's numbers of people who may use the bot unasked, separated by commas. Empty: none."
    )
    telegram_groups: Annotated[str | None, Empty] = Field(
        None,
        description="Numbers of the groups in which the bot answers, and everyone there. Empty: in any, members only.",
    )
    telegram_inline: bool = Field(
        False, description="Answer `@bot question?` in any chat (after /setinline at @BotFather), for members only."
    )
    telegram_minute_messages: int = Field(
        20, ge=0, description="Questions that a person may write in a minute (the owner excepted); 0: no limit."
    )
    telegram_day_messages: int = Field(
        0, ge=0, description="Questions of a person that are answered in a day (UTC, the owner excepted); 0: no limit."
    )
    telegram_day_tokens: int = Field(
        0, ge=0, description="Tokens read and written for a person in a day (UTC, the owner excepted); 0: no limit."
    )
    telegram_day_messages_all: int = Field(
        0, ge=0, description="Questions that are answered in a day, of all people together; 0: no limit."
    )
    telegram_day_tokens_all: int = Field(
        0, ge=0, description="Tokens read and written in a day, for all people together; 0: no limit."
    )
    alert_queue: int = Field(
        50, ge=1, description="Operators are told once when more answers than this wait for review."
    )
    alert_silent_s: int = Field(
        300, ge=10, description="Operators are told once when the worker gave no sign of life for so long."
    )
    digest_hour: Annotated[int | None, Empty] = Field(
        7, ge=0, le=23, description="Hour (UTC) of the operators' daily digest in Telegram. Empty: none."
    )
    handover_max_s: int = Field(
        900,
        ge=1,
        description="A chat that no operator takes for so long is handed back; its question stays with them.",
    )
    transcription_url: Annotated[str | None, Empty] = Field(
        None, description="OpenAI-compatible API that turns voice into text, as http://host/v1. Empty: not understood."
    )
    transcription_model: str = Field("whisper-1", description="Its model.")
    transcription_api_key: Annotated[SecretStr | None, Empty] = Field(None, description="Its key, where it needs one.")
    vision_url: Annotated[str | None, Empty] = Field(
        None, description="OpenAI-compatible API that describes pictures, as http://host/v1. Empty: not understood."
    )
    vision_model: str = Field("gpt-4o-mini", description="Its model.")
    vision_api_key: Annotated[SecretStr | None, Empty] = Field(None, description="Its key, where it needs one.")
    telegram_bot_token: Annotated[SecretStr | None, Empty] = Field(
        None, description="The bot's token from @BotFather. Empty: no bot, only the playground."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.serving_host not in LOOPBACK and self.api_key is None:
            raise ValueError(
                f"APPRENTICE_SERVING_HOST={self.serving_host} opens the API to others: set APPRENTICE_API_KEY as well"
            )
        if self.console_url and not re.fullmatch(r"https?://[^/\s@]+/?", self.console_url):
            raise ValueError(
                f"APPRENTICE_CONSOLE_URL={self.console_url} is no address such as https://console.example.org"
            )
        if self.console_host not in LOOPBACK and self.console_url is None:
            raise ValueError(
                f"APPRENTICE_CONSOLE_HOST={self.console_host} opens the console to others: "
                "set APPRENTICE_CONSOLE_URL to the address that they use"
            )
        if self.engine == "vllm" and not self.vllm_servers:
            raise ValueError("APPRENTICE_ENGINE=vllm needs APPRENTICE_VLLM_URLS, as http://host:8000")
        for url in self.vllm_servers:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"APPRENTICE_VLLM_URLS names {url}, which is no address such as http://host:8000")
        if self.engine == "vllm" and self.lora_method == "dora":
            raise ValueError(
                "APPRENTICE_LORA_METHOD=dora makes adapters that vLLM does not serve: "
                "choose rslora or lora, or APPRENTICE_ENGINE=local"
            )
        for name in ("transcription_url", "vision_url"):
            url = getattr(self, name)
            if url is not None and not url.startswith(("http://", "https://")):
                raise ValueError(f"{variable(name)}={url} is no address such as http://host:9000/v1")
        for name in ("telegram_allowed", "telegram_groups"):
            if not re.fullmatch(r"(\s*-?\d+\s*(,|$))*", getattr(self, name) or ""):
                raise ValueError(f"{variable(name)} must be numbers, separated by commas")
        if self.telegram_proxy and not self.telegram_proxy.get_secret_value().startswith("http://"):
            raise ValueError("APPRENTICE_TELEGRAM_PROXY is no address such as http://user:password@host:3128")
        if self.telegram_webhook_url and self.telegram_webhook_secret is None:
            raise ValueError("APPRENTICE_TELEGRAM_WEBHOOK_URL needs APPRENTICE_TELEGRAM_WEBHOOK_SECRET")
        return self

    @property
    def serving_base(self) -> str:
        """Where bot and console reach the HTTP API."""
        return (self.serving_url or reachable(self.serving_host, self.serving_port)).rstrip("/")

    @property
    def console_base(self) -> str:
        """Where operators reach the console."""
        return (self.console_url or reachable(self.console_host, self.console_port)).rstrip("/").lower()

    def is_unsure(self, confidence: float | None) -> bool:
        """Whether an answer of this confidence is told as one that may be wrong."""
        return confidence is not None and confidence < self.unsure_below

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that the model understands; none where it is not known."""
        declared = self.model_languages or ("" if self.model else "en")
        return tuple(code.strip() for code in declared.split(",") if code.strip())

    @property
    def vllm_servers(self) -> tuple[str, ...]:
        """The addresses of the vLLM servers."""
        urls = (self.vllm_urls or "").split(",")
        return tuple(url.strip().rstrip("/") for url in urls if url.strip())

    @property
    def allowed_people(self) -> frozenset[int]:
        """Telegram's numbers of those who may use the bot unasked."""
        return _numbers(self.telegram_allowed)

    @property
    def open_groups(self) -> frozenset[int]:
        """Telegram's numbers of the groups that the bot is kept to; empty: it is kept to none."""
        return _numbers(self.telegram_groups)

    @property
    def store_url(self) -> str:
        """The Redis or Valkey in use."""
        return self.redis_url or f"redis://127.0.0.1:{self.valkey_port}/0"


def reachable(host: str, port: int) -> str:
    """The address under which a server that binds to `host` is reached from this machine."""
    near = "127.0.0.1" if host in WILDCARDS else host
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _numbers(listed: str | None) -> frozenset[int]:
    return frozenset(int(number) for number in re.findall(r"-?\d+", listed or ""))


def variable(field: str) -> str:
    """The environment variable of a setting: `serving_port` -> `APPRENTICE_SERVING_PORT`."""
    return TOKEN if field == "telegram_bot_token" else PREFIX + field.upper()


VARIABLES = {variable(field): field for field in Settings.model_fields}


def load_settings(environment: Mapping[str, str], env_file: Path = Path(".env")) -> Settings:
    """Settings from an environment and a `.env` file; the environment wins.

    Raises: SettingsError naming the variable, where it stood, and what it should have been.
    """
    if env_file.is_file():
        in_file = {name: value or "" for name, value in dotenv_values(env_file).items()}
    else:
        in_file = {}
    ours = {name: value for name, value in environment.items() if name.startswith((PREFIX, "TELEGRAM_BOT"))}
    values = {}
    for where, variables in ((str(env_file), in_file), ("the environment", ours)):
        for name, value in variables.items():
            if name not in VARIABLES:
                raise SettingsError(_unknown(name, where))
            values[VARIABLES[name]] = value
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_invalid(error)) from None


def _unknown(name: str, where: str) -> str:
    near = difflib.get_close_matches(name, VARIABLES, n=1)
    hint = f"did you mean {near[0]}?" if near else "see .env.example for those that exist."
    return f"{where} sets {name}, which is no setting of Apprentice: {hint}"


def _invalid(error: ValidationError) -> str:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{reason}."
    field = str(first["loc"][0])
    shown = "" if field.endswith(("token", "secret", "api_key")) else f"={first['input']}"
    return f"{variable(field)}{shown} cannot be used: {reason}. {Settings.model_fields[field].description}"
