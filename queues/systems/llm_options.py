"""The language model that the environment names: `LLM_BASE_URL` and its companions, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from queues.errors import ConfigurationError

MILLION = 1_000_000
DEFAULT_MODEL, DEFAULT_TIMEOUT_S = "gpt-4o-mini", 60.0


@dataclass(frozen=True, slots=True)
class LLMOptions:
    """`url` is where questions are posted; prices are cents per million tokens, None: unknown."""

    url: str
    model: str = DEFAULT_MODEL
    api_key: str = field(default="", repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    input_price: Decimal | None = None
    output_price: Decimal | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def cost_cents(self, prompt_tokens: int | None, completion_tokens: int | None) -> Decimal | None:
        """None where a price or a count is missing."""
        if self.input_price is None or self.output_price is None or prompt_tokens is None or completion_tokens is None:
            return None
        return (prompt_tokens * self.input_price + completion_tokens * self.output_price) / MILLION


def llm_options(environ: Mapping[str, str] = os.environ) -> LLMOptions | None:
    """None where LLM_BASE_URL is unset. Raises ConfigurationError naming the variable."""
    base = environ.get("LLM_BASE_URL", "").strip().rstrip("/")
    if not base:
        return None
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise ConfigurationError("LLM_BASE_URL must be an http or https address, as in https://api.openai.com/v1.")
    timeout = _number(environ, "LLM_TIMEOUT_S")
    if timeout is not None and not 0 < timeout <= 86_400:
        raise ConfigurationError("LLM_TIMEOUT_S must be more than 0 seconds, and a day at most.")
    return LLMOptions(
        url=f"{base}/chat/completions",
        model=environ.get("LLM_MODEL", "").strip() or DEFAULT_MODEL,
        api_key=environ.get("LLM_API_KEY", "").strip(),
        timeout_s=DEFAULT_TIMEOUT_S if timeout is None else float(timeout),
        input_price=_number(environ, "LLM_INPUT_CENTS_PER_MILLION"),
        output_price=_number(environ, "LLM_OUTPUT_CENTS_PER_MILLION"),
    )


def _number(environ: Mapping[str, str], name: str) -> Decimal | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise ConfigurationError(f"{name} must be a number, 0 or more, not {text!r}.")
    return number
