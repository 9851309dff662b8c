"""A job's data as the dataclass or pydantic model that its processor declares. Fields it does not know are ignored.

Whoever adds a job may be newer than whoever runs it: an unknown field is no mistake (a pydantic model may forbid it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import msgspec

from queues.errors import ConfigurationError

#: How many mistakes of one job are told.
MAX_MISTAKES = 5
Reader = Callable[[bytes], Any]


def reader(where: str, model: Any) -> Reader:
    """What makes JSON bytes a `model`, or raises ValueError with a sentence that names the field.

    Raises ConfigurationError, beginning with `where`, for what is no dataclass and no pydantic model.
    """
    if not isinstance(model, type):
        raise ConfigurationError(f"{where} must be a class, not {model!r}.")
    if hasattr(model, "__pydantic_validator__"):
        return _of_pydantic(model)
    if is_dataclass(model):
        return _of_dataclass(where, model)
    raise ConfigurationError(f"{where} must be a dataclass or a pydantic model, not {model.__qualname__}.")


def _of_dataclass(where: str, model: type) -> Reader:
    try:
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(model)
    except (TypeError, NameError) as error:
        raise ConfigurationError(f"{where}: {model.__qualname__} cannot be read from JSON: {error}") from None

    def read(raw: bytes) -> Any:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError as error:
            words, _, place = str(error).replace("`", "").partition(" - at ")
            raise _unfit(model, [(place.removeprefix("$").removeprefix("."), words)]) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise _no_json(error) from None

    return read


def _of_pydantic(model: type) -> Reader:
    # Whoever declared the model has imported it; nobody else needs it.
    adapter = sys.modules["pydantic"].TypeAdapter(model)

    def read(raw: bytes) -> Any:
        try:
            return adapter.validate_json(raw)
        except ValueError as error:
            mistakes: list[Any] = getattr(error, "errors", list)()
            if not mistakes or mistakes[0].get("type") == "json_invalid":
                raise _no_json(error) from None
            told = [(".".join(map(str, mistake["loc"])), mistake["msg"]) for mistake in mistakes]
            raise _unfit(model, told) from None

    return read


def _unfit(model: type, mistakes: list[tuple[str, str]]) -> ValueError:
    told = [f"{place}: {words}" if place else words for place, words in mistakes[:MAX_MISTAKES]]
    more = f"; and {len(mistakes) - MAX_MISTAKES} more" if len(mistakes) > MAX_MISTAKES else ""
    return ValueError(f"The job's data is no {model.__name__}: {'; '.join(told)}{more}")


def _no_json(error: Exception) -> ValueError:
    return ValueError(f"The job's data in Redis is not JSON: {str(error).partition(chr(10))[0]}.")


def plain(data: Any) -> Any:
    """A dataclass's instance as what JSON can say of it, as `reader` takes it back: dates as text, enums as values."""
    return msgspec.to_builtins(data, str_keys=True)
