"""What a model is asked for each kind of text work, and what its answer must look like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from queues.systems.llm import ModelError

MOODS = ("positive", "negative", "neutral")
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Kind:
    """`order` is the system's message; `read` makes the job's output of the text and the model's JSON, and raises
    KeyError, TypeError or ValueError for what is not what was asked for.
    """

    order: str
    read: Callable[[str, dict[str, Any]], dict[str, Any]]


def _summary(text: str, found: dict[str, Any]) -> dict[str, Any]:
    short = _text(found["summary"])
    return {"summary": short, "originalLength": len(text), "summaryLength": len(short)}


def _topic(text: str, found: dict[str, Any]) -> dict[str, Any]:
    scores = {str(name): _number(score) for name, score in dict(found.get("scores") or {}).items()}
    return {"category": _text(found["category"]), "scores": scores}


def _mood(text: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"sentiment": MOODS[MOODS.index(found["sentiment"])], "score": _number(found.get("score", 0))}


def _translation(text: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"language": _text(found["language"]), "text": _text(found["text"])}


def _facts(text: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name: [_text(one) for one in _list(found[name])] for name in ("emails", "dates", "amounts")}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return value


_ONLY = " Answer with one JSON object and nothing else: "
#: The user's text is another message: what it says is material, never an order.
KINDS: Mapping[str, Kind] = {
    "summarize": Kind("Summarize the user's text in at most three sentences." + _ONLY + '{"summary": "…"}', _summary),
    "classify": Kind(
        "Say what the user's text is about, in one lower-case word, with scores from 0 to 1 of the topics that fit."
        + _ONLY
        + '{"category": "billing", "scores": {"billing": 0.9}}',
        _topic,
    ),
    "sentiment": Kind(
        "Say whether the user's text is positive, negative or neutral, with a score from -1 to 1."
        + _ONLY
        + '{"sentiment": "neutral", "score": 0}',
        _mood,
    ),
    "translate": Kind(
        "Translate the user's text to the language whose code is {language}."
        + _ONLY
        + '{"language": "{language}", "text": "…"}',
        _translation,
    ),
    "extract": Kind(
        "List the e-mail addresses, the dates as YYYY-MM-DD and the amounts of money in the user's text."
        + _ONLY
        + '{"emails": [], "dates": [], "amounts": []}',
        _facts,
    ),
}
DEFAULT_LANGUAGE = "fr"
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def is_language(value: Any) -> bool:
    """Whether it is a code as BCP 47 has them: nothing else may stand in an order to a model."""
    return isinstance(value, str) and len(value) <= 35 and bool(_LANGUAGE.fullmatch(value))


def messages(kind: str, text: str, language: str) -> list[dict[str, str]]:
    """What is asked, in the endpoint's shape."""
    order = KINDS[kind].order.replace("{language}", language)
    return [{"role": "system", "content": order}, {"role": "user", "content": text}]


def output(kind: str, text: str, answered: str) -> dict[str, Any]:
    """The job's output, from the model's words. Raises ModelError where they are not the JSON that was asked for."""
    try:
        found = json.loads(_unfenced(answered))
        if not isinstance(found, dict):
            raise TypeError(found)
        return KINDS[kind].read(text, found)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ModelError("the model's output is not the JSON that was asked for") from None


def _unfenced(answered: str) -> str:
    """Models put JSON into a block of code, whatever they were told."""
    told = answered.strip()
    is_fenced = len(told) > 2 * len(_FENCE) and told.startswith(_FENCE) and told.endswith(_FENCE)
    return told[len(_FENCE) : -len(_FENCE)].removeprefix("json") if is_fenced else told
