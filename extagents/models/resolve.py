"""From what a user writes to a model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from extagents.errors import SettingsError
from extagents.models.base import Model
from extagents.redaction import SecretUrl
from extagents.types import Prices

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

FORMS = ("extractive", "openai:NAME", "vllm:NAME", "langchain:PROVIDER:NAME")


def resolve(
    model: str | Model | BaseChatModel,
    *,
    base_url: str | None = None,
    api_key: SecretStr | str | None = None,
    window: int | None = None,
    prices: Prices | None = None,
    seed: int | None = None,
    vllm: Mapping[str, Any] | None = None,
    server_metrics: bool = True,
) -> Model:
    """The model that a string names (`extractive`, `openai:NAME`, `vllm:NAME`, `langchain:PROVIDER:NAME`), or the given one
    adapted.

    `window` is in tokens, `prices` in USD per million tokens; `base_url`, `api_key` and `seed` are for models named by a
    string, `vllm` holds the engine arguments of one in process, `server_metrics` lets a vLLM server be asked for its load.
    Raises `SettingsError` for a name that means nothing, a missing key or a missing package.
    """
    base_url = base_url if base_url is None else SecretUrl(base_url)
    api_key = SecretStr(api_key) if isinstance(api_key, str) else api_key
    if isinstance(model, str):
        return _named(
            model.strip(),
            base_url=base_url,
            api_key=api_key,
            window=window,
            prices=prices,
            seed=seed,
            vllm=vllm,
            server_metrics=server_metrics,
        )
    if isinstance(model, Model):
        return model
    if hasattr(model, "ainvoke") and hasattr(model, "astream"):
        from extagents.models.langchain import LangChainModel

        return LangChainModel(model, window=window, prices=prices)
    raise SettingsError(f"{type(model).__name__} is no model.", hint="Give a model string, a Model, or a LangChain chat model.")


def _named(
    text: str,
    *,
    base_url: str | None,
    api_key: SecretStr | None,
    window: int | None,
    prices: Prices | None,
    seed: int | None,
    vllm: Mapping[str, Any] | None,
    server_metrics: bool,
) -> Model:
    kind, _, name = text.partition(":")
    if kind == "extractive" and not name:
        from extagents.models.extractive import ExtractiveModel

        extractive: Model = ExtractiveModel()
        return extractive
    if kind == "openai" and name:
        from extagents.models.openai_compatible import OpenAICompatible

        return OpenAICompatible(
            name,
            base_url=base_url,
            api_key=api_key,
            window=window,
            prices=prices,
            seed=0 if seed is None else seed,
            server_metrics=server_metrics,
        )
    if kind == "vllm" and name:
        from extagents.models.vllm_engine import VllmEngine

        return VllmEngine(name, window=window, prices=prices, seed=0 if seed is None else seed, arguments=vllm)
    if kind == "langchain" and all(name.partition(":")):
        return _langchain(text, name, base_url=base_url, api_key=api_key, window=window, prices=prices, seed=seed)
    raise SettingsError(f"Unknown model {text!r}.", hint=_meant(text, kind, name))


def _meant(text: str, kind: str, name: str) -> str:
    """What the user may have meant, and what there is."""
    from difflib import get_close_matches

    from extagents.models.known import known

    there = f"Models are: {', '.join(FORMS)}."
    if kind in ("openai", "vllm", "langchain"):
        return f"Did you mean {next(form for form in FORMS if form.startswith(kind))}? {there}"
    if not name and known(text).window is not None:
        return f"Did you mean openai:{text}? {there}"
    close = get_close_matches(kind.casefold(), ["extractive", "openai", "langchain", "vllm"], n=1, cutoff=0.6)
    if close:
        meant = f"{close[0]}:{name}" if name else next((form for form in FORMS if form.startswith(close[0])), close[0])
        return f"Did you mean {meant}? {there}"
    return there


def _langchain(
    text: str,
    name: str,
    *,
    base_url: str | None,
    api_key: SecretStr | None,
    window: int | None,
    prices: Prices | None,
    seed: int | None,
) -> Model:
    provider, _, served = name.partition(":")
    try:
        init_chat_model = import_module("langchain.chat_models").init_chat_model
    except ImportError as error:
        raise SettingsError(
            f"{text} needs LangChain, which is not installed.", hint='Install it: pip install "extagents[langchain]"'
        ) from error
    from extagents.models.failures import clean
    from extagents.models.langchain import LangChainModel

    def made() -> Any:  # what holds the key in the open stays in a frame of its own
        options: dict[str, Any] = {"max_retries": 0}
        options.update({"base_url": SecretUrl(base_url).get_secret_value()} if base_url else {})
        options.update({"api_key": key} if (key := _plain(api_key)) else {})
        options.update({"seed": seed, "temperature": 0} if provider == "openai" and seed is not None else {})
        return init_chat_model(served, model_provider=provider, **options)

    try:
        chat = made()
    except ImportError as error:
        package = str(error).split("`")[1] if "`" in str(error) else f"langchain-{provider}"
        raise SettingsError(
            f"{text} needs a package that is not installed.", hint=f"Install it: pip install {package}"
        ) from None
    except Exception as error:  # noqa: BLE001 - the edge: a missing key or an unknown provider, in the library's own words
        reason = clean(str(error), [_plain(api_key)])
        raise SettingsError(
            f"{text} cannot be set up: {reason}", hint="Check the provider, the model's name and its key."
        ) from None
    return LangChainModel(chat, name=text, window=window, prices=prices)


def _plain(key: SecretStr | None) -> str:
    return "" if key is None else key.get_secret_value()
