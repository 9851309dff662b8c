"""What an error reply of Redis becomes."""

from __future__ import annotations

import pytest

from queues.errors import RedisFull, RedisReadOnly, RedisRefused, RedisUnavailable
from queues.protocol.refusals import refusal


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        ("READONLY no writes.", RedisReadOnly, "Redis is not ready: READONLY no writes."),
        ("LOADING the dataset", RedisUnavailable, "Redis is not ready: LOADING the dataset."),
        ("OOM script: on @user_script:217.", RedisFull, "Redis refused: OOM script: on @user_script:217."),
        ("WRONGTYPE of a key", RedisRefused, "Redis refused: WRONGTYPE of a key."),
    ],
)
def test_an_error_reply_is_one_sentence_with_one_full_stop(words, kind, sentence):
    error = refusal(words)
    assert (type(error), str(error)) == (kind, sentence)
