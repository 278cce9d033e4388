"""Every setting of a coordinator, with its unit, default and reason; read from arguments, then `EXTAGENTS_*` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from extagents.budget import Budget
from extagents.redaction import SecretUrl
from extagents.types import Effort, Part, Prices, Role, Strategy

Rounds = Annotated[int, Field(ge=1, le=20)] | Literal["all"]


class Settings(BaseSettings):
    """What a run depends on. Frozen; unknown names are refused. Precedence: argument, environment, default."""

    model_config = SettingsConfigDict(
        env_prefix="EXTAGENTS_",
        frozen=True,
        extra="forbid",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        protected_namespaces=(),
        hide_input_in_errors=True,  # what was meant as a key may stand where another setting belongs
    )

    model: str = Field(
        default="extractive",
        description="model of every role: extractive | openai:NAME | vllm:NAME | langchain:PROVIDER:NAME",
    )
    models: dict[Role, str] = Field(
        default_factory=dict,
        description="a model for single roles (planner, reader, reasoner, memory, single, fusion, writer, analyst)",
    )
    base_url: SecretUrl | None = Field(
        default=None, repr=False, description="endpoint of openai: models; else OPENAI_BASE_URL, else OpenAI's own"
    )
    api_key: SecretStr | None = Field(default=None, repr=False, description="key of openai: models; else OPENAI_API_KEY")
    memory: SecretUrl | None = Field(
        default=None,
        repr=False,
        description="sqlite:///PATH | memory:// | redis://… | rediss://… | unix://…; default: a file in the user's data folder",
    )
    tenant: str = Field(default="default", min_length=1, description="whose memory it is; tenants cannot see each other")
    budget: Budget = Field(default_factory=Budget, description="hard ceilings of one run")
    effort: Effort = Field(
        default="balanced", description="thorough reads everything before it may stop; balanced and quick may stop earlier"
    )
    strategy: Strategy = Field(
        default="fused",
        description="fused: one pass if the input fits, else the ladder, with notes and compressed context where it is unsure; "
        "parallel: readers and ladder alone; iterative: the memory agent over the raw text alone; single: one pass alone",
    )
    rounds: Rounds = Field(default=5, description="most reading rounds; all: re-read everything every round, as published")
    shard_tokens: int | None = Field(
        default=None, ge=64, description="most tokens of a shard; default: shards that grow down the ranking (2k, 4k, 8k)"
    )
    window: int | None = Field(default=None, ge=512, description="context window in tokens; default: asked of the model")
    prices: Prices | None = Field(
        default=None,
        description='USD per million tokens, for a model whose prices are not known: {"input": 0.1, "output": 0.4}',
    )
    concurrency: int = Field(default=64, ge=1, le=4096, description="most model calls in flight")
    executor: Literal["local", "ray"] = Field(
        default="local",
        description="who runs the readers: local (this process) or ray (the nodes of a Ray cluster, over a memory in Redis: "
        "docs/ray.md)",
    )
    knowledge_tokens: int = Field(
        default=1_500,
        ge=0,
        description="tokens of shared knowledge in a reader's prompt; more brought nothing",
    )
    memory_tokens: int = Field(default=2_048, ge=256, description="tokens of the memory agent's notes")
    lanes: int | None = Field(
        default=None, ge=1, description="parallel lanes of strategy iterative; default: from concurrency and the input's size"
    )
    heads: int = Field(
        default=2, ge=1, le=8, description="memory heads of strategy iterative: independent notes over the same text"
    )
    without: frozenset[Part] = Field(
        default=frozenset(),
        description="parts left out, to measure what each is worth: ladder, memory, single, gate, knowledge, best_first, "
        "verification",
    )
    output_tokens: int = Field(
        default=1_024, ge=128, description="tokens one call may write; give reasoning models several times as much"
    )
    timeout: float = Field(default=120.0, gt=0, description="seconds one model call may take")
    lease_seconds: float = Field(
        default=30.0,
        gt=0,
        description="seconds after which a run whose process on another machine says nothing more may be taken over",
    )
    prompts: Path | None = Field(
        default=None, description="folder with templates of your own, named like the package's (reader.en.md): docs/prompts.md"
    )
    seed: int | None = Field(default=None, description="sampling seed handed to the model, where it takes one")
    vllm: dict[str, Any] = Field(
        default_factory=dict,
        description="engine arguments of vllm: models, and chat_template, chat_template_kwargs; as a variable, JSON: "
        '{"max_model_len": 16384, "gpu_memory_utilization": 0.8}',
    )
    server_metrics: bool = Field(
        default=True,
        description="ask a vLLM server each second, while calls are in flight, for its queue and cache, and pace calls by them",
    )
    read_cache: bool = Field(default=True, description="reuse what an earlier run with the same prompt read in the same shard")

    trace_content: bool = Field(
        default=False,
        description="show questions, prompts and answers, and with them text of documents, in traces; else sizes alone",
    )

    @property
    def given(self) -> dict[str, Any]:
        """What was set by arguments or the environment, with its secrets: for other settings, and for nothing else."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that nobody may see, to be cut out of messages."""
        key = "" if self.api_key is None else self.api_key.get_secret_value()
        urls = [url.get_secret_value() for url in (self.memory, self.base_url) if url is not None and url.secret]
        return tuple(filter(None, (key, *urls)))

    def __getstate__(self) -> dict[Any, Any]:
        if self.secrets:
            raise TypeError("Settings that hold a key or a password are not pickled; make them anew from the environment.")
        return super().__getstate__()
