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


IN_A_SCRIPT = "ERR Error running script (call to f_a): @user_script:8: The user executing the script can't run this"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("NOPERM this user has no permissions to run the 'evalsha' command or its subcommand", "to call EVALSHA"),
        ("NOPERM User r has no permissions to run the 'client|list' command", "to call CLIENT|LIST"),
        ("NOPERM User r has no permissions to run the 'zadd' command script: a, on @user_script:8.", "to call ZADD"),
        (f"{IN_A_SCRIPT} command or subcommand", "to call what BullMQ's script calls"),
        ("NOPERM this user has no permissions to access one of the keys used as arguments", "for one of these keys"),
    ],
)
def test_what_an_acl_forbids_is_named_whichever_age_of_redis_says_so(words, said):
    assert str(refusal(words)) == f"Redis refused: its user has no permission {said} (NOPERM)."
