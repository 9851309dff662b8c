"""Asks any OpenAI-compatible endpoint a question. What it refuses for now makes the queue wait, not the job fail."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from queues.errors import RateLimitError, UnrecoverableError
from queues.systems.faults import HTTPError
from queues.systems.llm_options import LLMOptions
from queues.systems.records import Usage

#: An answer is a few pages of text; more is not an answer.
LARGEST_ANSWER = 4_000_000
#: Asked to wait longer than this, the queue asks again after it.
LONGEST_WAIT_MS = 3_600_000
#: What an endpoint says when another try may do: too early, too slow, a conflict; and every error of its own.
PASSING = frozenset({408, 409, 425, 429})
#: Answers that may say when to come again.
NOT_NOW = frozenset({429, 503})


class ModelError(Exception):
    """The endpoint answered, and the answer cannot be used; another attempt may do better."""


class ModelRefused(UnrecoverableError):
    """The endpoint refuses the question itself, or the key: another attempt changes nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    usage: Usage


async def ask(options: LLMOptions, messages: list[dict[str, str]], *, as_json: bool = False) -> Answer:
    """The model's answer and what it took.

    Raises RateLimitError where the endpoint says when to come again (429, 503 with Retry-After), TimeoutError after
    `options.timeout_s` in all, HTTPError or ModelError for what may pass, ModelRefused for what will not.
    """
    question: dict[str, Any] = {"model": options.model, "messages": messages}
    if as_json:
        question["response_format"] = {"type": "json_object"}
    try:
        async with asyncio.timeout(options.timeout_s):
            status, headers, body = await _post(options, question)
    except TimeoutError:
        raise TimeoutError(f"the model at {options.host} did not answer within {options.timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelError(
            f"the model at {options.host} cannot be asked: {str(error) or type(error).__name__}"
        ) from error
    if status != 200:
        raise _refusal(options, status, headers, body)
    return _answer(options, body)


async def _post(options: LLMOptions, question: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
    headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    # `asyncio.timeout` above counts all of it; httpx's own would count each read anew.
    async with (
        httpx.AsyncClient(verify=_certificates(), timeout=None) as client,  # noqa: S113
        client.stream("POST", options.url, json=question, headers=headers) as response,
    ):
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > LARGEST_ANSWER:
                raise ModelError(f"the model at {options.host} answered more than {LARGEST_ANSWER:,} bytes")
        return response.status_code, response.headers, body


@cache
def _certificates() -> ssl.SSLContext:
    # Reading them takes longer than many a request.
    return httpx.create_ssl_context()


def _refusal(options: LLMOptions, status: int, headers: httpx.Headers, body: bytes) -> Exception:
    if status in NOT_NOW and (wait_ms := wait_of(headers)) is not None:
        return RateLimitError(wait_ms)
    if status in PASSING or status >= 500:
        return HTTPError(status, httpx.codes.get_reason_phrase(status), options.host)
    said = f": {told}" if (told := _told(body)) else ""
    return ModelRefused(f"the model at {options.host} refused the question with HTTP {status}{said}")


def wait_of(headers: httpx.Headers) -> int | None:
    """How many milliseconds the endpoint asks to wait: OpenAI's `retry-after-ms`, else `Retry-After` in seconds or as a
    date; None where it does not say.
    """
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1_000)):
        if (number := _number(headers.get(name, ""))) is not None:
            return max(1, round(min(number * unit_ms, LONGEST_WAIT_MS)))
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(1, round(min((at - datetime.now(UTC)).total_seconds() * 1_000, LONGEST_WAIT_MS)))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _told(body: bytes) -> str:
    """The endpoint's own sentence, where it gave one as OpenAI does."""
    try:
        error = json.loads(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)[:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _answer(options: LLMOptions, body: bytes) -> Answer:
    try:
        answered = json.loads(body)
        text = answered["choices"][0]["message"]["content"]
    except (ValueError, RecursionError):
        raise ModelError(f"the answer of the model at {options.host} is not JSON") from None
    except (KeyError, IndexError, TypeError):
        raise ModelError(f"the answer of the model at {options.host} has no choices[0].message.content") from None
    if not isinstance(text, str):
        raise ModelError(f"the model at {options.host} answered no text")
    return Answer(text, _usage(options, answered))


def _usage(options: LLMOptions, answered: dict[str, Any]) -> Usage:
    told = answered.get("usage")
    counts = [_count(told.get(name)) if isinstance(told, dict) else None for name in _COUNTED]
    model = answered.get("model")
    named = model if isinstance(model, str) and model else options.model
    return Usage(named[:200], counts[0], counts[1], options.cost_cents(counts[0], counts[1]))


_COUNTED = ("prompt_tokens", "completion_tokens")


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if is_count else None
