"""Settings and environment: what is taken, what is refused, and that the sentence names the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.errors import ConfigurationError
from queues.options import (
    Backoff,
    ConnectionOptions,
    Keep,
    Kept,
    Limiter,
    Payloads,
    Policy,
    QueueOptions,
    load,
    mistakes,
    queue_overrides,
    redis_configured,
    redis_connection,
    redis_connections,
    redis_url,
)


def test_nothing_said_means_localhost_and_bullmqs_own_defaults():
    options = load({})
    assert options.connection() == ConnectionOptions("default", "redis://localhost:6379", "bull")
    assert options.queue("chat") == QueueOptions()
    assert options.use_job_queue


def test_a_queue_takes_every_option_it_knows():
    chat = {
        "concurrency": 5,
        "limiter": {"max": 10, "duration": 60_000},
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 1000, "jitter": 0.5},
        "remove_on_complete": {"age": 3600, "count": 100},
        "remove_on_fail": 500,
        "lock_duration_ms": 15_000,
        "stalled_interval_ms": 20_000,
        "max_stalled_count": 0,
    }
    assert load({"QUEUES": {"chat": chat}}).queue("chat") == QueueOptions(
        5,
        Limiter(10, 60_000),
        3,
        Backoff("exponential", 1000, 0.5),
        Keep(3600, 100),
        Keep(count=500),
        15_000,
        20_000,
        0,
    )


@pytest.mark.parametrize(
    ("given", "kept"), [(True, Keep(count=0)), (False, None), (None, None), (7, Keep(count=7)), ({"age": 5}, Keep(5))]
)
def test_retention_may_be_said_as_node_says_it(given, kept):
    assert load({"QUEUES": {"q": {"remove_on_complete": given}}}).queue("q").remove_on_complete == kept


@pytest.mark.parametrize(
    ("toril", "named"),
    [
        ([], "TORIL must be a dict"),
        ({"QUEUE": {}}, "'QUEUE'"),
        ({"CONNECTIONS": []}, "TORIL['CONNECTIONS']"),
        ({"CONNECTIONS": {"other": {}}}, "'default'"),
        ({"CONNECTIONS": {"default": "redis://x"}}, "TORIL['CONNECTIONS']['default']"),
        ({"CONNECTIONS": {"default": {"HOST": "x"}}}, "'HOST'"),
        ({"CONNECTIONS": {"default": {"PREFIX": ""}}}, "['PREFIX']"),
        ({"CONNECTIONS": {"default": {"URL": "http://x"}}}, "['URL']"),
        ({"CONNECTIONS": {"default": {}, "": {}}}, "TORIL['CONNECTIONS']['']"),
        ({"QUEUES": []}, "TORIL['QUEUES']"),
        ({"QUEUES": {"a:b": {}}}, "TORIL['QUEUES']['a:b']"),
        ({"QUEUES": {"": {}}}, "TORIL['QUEUES']['']"),
        ({"QUEUES": {3: {}}}, "TORIL['QUEUES'][3]"),
        ({"QUEUES": {"q": None}}, "TORIL['QUEUES']['q']"),
        ({"QUEUES": {"q": {"concurency": 3}}}, "'concurency'"),
        ({"QUEUES": {"q": {1: 3}}}, "TORIL['QUEUES']['q']"),
        ({"QUEUES": {"q": {"concurrency": 0}}}, "['concurrency']"),
        ({"QUEUES": {"q": {"concurrency": True}}}, "['concurrency']"),
        ({"QUEUES": {"q": {"concurrency": 2.5}}}, "['concurrency']"),
        ({"QUEUES": {"q": {"limiter": {"max": 1}}}}, "['limiter']"),
        ({"QUEUES": {"q": {"limiter": {"max": 0, "duration": 1}}}}, "['limiter']['max']"),
        ({"QUEUES": {"q": {"backoff": {"type": "cubic"}}}}, "['backoff']"),
        ({"QUEUES": {"q": {"backoff": {"type": "fixed", "delay": -1}}}}, "['backoff']['delay']"),
        ({"QUEUES": {"q": {"backoff": {"type": "fixed", "jitter": 2}}}}, "['jitter']"),
        ({"QUEUES": {"q": {"remove_on_fail": "always"}}}, "['remove_on_fail']"),
        ({"QUEUES": {"q": {"remove_on_fail": {"age": 0}}}}, "['remove_on_fail']['age']"),
        ({"USE_JOB_QUEUE": "perhaps"}, "TORIL['USE_JOB_QUEUE']"),
    ],
)
def test_a_mistake_is_named_and_load_and_check_agree(toril, named):
    with pytest.raises(ConfigurationError) as error:
        load(toril)
    assert named in str(error.value)
    assert any(named in sentence for sentence in mistakes(toril))


def test_one_mistake_does_not_hide_the_next():
    toril = {
        "QEUES": {},
        "CONNECTIONS": {"default": {"URL": "http://x"}, "second": {"URL": "redis://"}},
        "QUEUES": {"a": {"concurrency": 0, "attempts": 0}, "b:c": {}, "d": 4},
    }
    found = mistakes(toril)
    assert len(found) == 7
    for place in ("'QEUES'", "['default']", "['second']", "['concurrency']", "['attempts']", "'b:c'", "['d']"):
        assert any(place in sentence for sentence in found), place


def test_what_can_be_used_has_no_mistakes():
    assert (
        mistakes({"QUEUES": {"q": {"concurrency": "3"}}, "CONNECTIONS": {"default": {}}, "USE_JOB_QUEUE": "false"})
        == []
    )


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=6
)
names = st.sampled_from(
    ["CONNECTIONS", "QUEUES", "USE_JOB_QUEUE", "VARIABLES", "default", "URL", "limiter", "max", "backoff", "q"]
)
shaped = st.recursive(anything, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8)


@given(shaped)
def test_whatever_stands_there_the_answer_is_a_sentence(toril):
    found = mistakes(toril)
    try:
        load(toril)
    except ConfigurationError:
        assert found
    else:
        assert found == []


# --- the environment


def test_the_url_goes_before_the_parts_and_both_before_the_embedded_server(tmp_path: Path):
    file = tmp_path / "redis-url"
    file.write_text("redis://:secret@127.0.0.1:7777\n")
    assert redis_url({"REDIS_URL": "redis://a:1", "REDIS_HOST": "b"}, file) == "redis://a:1"
    assert redis_url({"REDIS_HOST": "b"}, file) == "redis://b:6379/0"
    assert redis_url({"REDIS_URL": "", "REDIS_HOST": ""}, file) == "redis://:secret@127.0.0.1:7777"
    assert redis_url({}, tmp_path / "absent") == "redis://localhost:6379"


def test_a_password_may_stand_beside_a_url_that_has_none():
    beside = {"REDIS_USERNAME": "ada", "REDIS_PASSWORD": "p/:#"}
    assert redis_url(beside | {"REDIS_URL": "redis://a:1,b:2/3"}) == "redis://ada:p%2F%3A%23@a:1,b:2/3"
    assert redis_url(beside | {"REDIS_URL": "redis://:own@a:1"}) == "redis://:own@a:1"
    assert redis_url(beside | {"REDIS_URL": "unix:///run/s"}) == "unix://ada:p%2F%3A%23@/run/s"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("redis://a:1,b:2,[::1]:3/0", ("a:1", "b:2", "[::1]:3")),
        ("rediss://:p,q@a:1,rediss://b:2", ("a:1", "b:2")),
        ("redis://:p@a:1/4,redis://:p@b/4", ("a:1", "b")),
        ("redis://a", ("a",)),
        ("unix:///run/redis,1.sock", ("",)),
    ],
)
def test_several_hosts_or_several_urls_are_one_connection(url, hosts):
    assert load({"CONNECTIONS": {"default": {"URL": url}}}).connection().hosts == hosts


def test_whoever_names_something_of_sentinels_means_sentinel():
    told = redis_connection({"REDIS_HOST": "a,b:7,::1", "REDIS_PORT": "5", "REDIS_SENTINEL_MASTER": "main"})
    made = load({"CONNECTIONS": {"default": told}}).connection()
    assert made == ConnectionOptions(
        "default", "redis://a:5,b:7,[::1]:5/0", topology="sentinel", sentinel_master="main"
    )


def test_tls_is_read_from_variables_and_more_connections_from_json():
    tls = {"REDIS_TLS": "1", "REDIS_TLS_CA": "/ca", "REDIS_TLS_CERT": "/c", "REDIS_TLS_KEY": "/k"}
    more = {"REDIS_CONNECTIONS": '{"billing": {"URL": "redis://b:1", "PREFIX": "bill"}}'}
    options = load({"CONNECTIONS": redis_connections(tls | more | {"REDIS_TLS_CHECK_HOSTNAME": "no"})})
    assert options.connection() == ConnectionOptions(
        "default",
        "rediss://localhost:6379/0",
        tls_ca="/ca",
        tls_cert="/c",
        tls_key="/k",
        tls_check_hostname=False,
    )
    assert options.connection("billing") == ConnectionOptions("billing", "redis://b:1", "bill")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"default": {}}', '{"a": {"URL": "http://h"}}'])
def test_connections_that_are_no_json_of_connections_are_refused_by_the_variables_name(text):
    with pytest.raises(ConfigurationError, match="REDIS_CONNECTIONS"):
        redis_connections({"REDIS_CONNECTIONS": text})


def test_the_parts_make_a_url():
    parts = {"REDIS_HOST": "h", "REDIS_PORT": "1", "REDIS_USERNAME": "u@", "REDIS_PASSWORD": "p/:#", "REDIS_DB": "2"}
    assert redis_url(parts | {"REDIS_TLS": "true"}) == "rediss://u%40:p%2F%3A%23@h:1/2"
    assert redis_url({"REDIS_PASSWORD": "p"}) == "redis://:p@localhost:6379/0"
    assert redis_url({"REDIS_HOST": "::1"}) == "redis://[::1]:6379/0"


def test_what_kubernetes_sets_beside_a_service_is_no_configuration_and_no_mistake():
    injected = {"REDIS_PORT": "tcp://10.0.0.1:6380"}
    assert not redis_configured(injected)
    assert redis_url(injected) == "redis://localhost:6379"
    assert redis_url(injected | {"REDIS_HOST": "redis"}) == "redis://redis:6380/0"


@pytest.mark.parametrize(
    "name", ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_USERNAME", "REDIS_DB"]
)
def test_any_of_its_variables_means_a_redis_of_ones_own(name):
    assert redis_configured({name: "1"})
    assert not redis_configured({name: ""})


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://a:1,b:x"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://a:1,"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://a:1,redis://b:2/3"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://:x@a:1,redis://:y@b:2"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://a:1,b:2", "REDIS_TOPOLOGY": "single"}, "REDIS_URL"),
        ({"REDIS_URL": "unix:///s", "REDIS_TOPOLOGY": "sentinel"}, "REDIS_"),
        ({"REDIS_URL": "redis://a/2", "REDIS_TOPOLOGY": "cluster"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://a", "REDIS_TOPOLOGY": "ring"}, "REDIS_TOPOLOGY"),
        ({"REDIS_URL": "redis://a", "REDIS_SENTINEL_TLS": "2"}, "REDIS_SENTINEL_TLS"),
        ({"REDIS_URL": "redis://a", "REDIS_TLS_CA": "/ca.pem"}, "rediss://"),
        ({"REDIS_URL": "rediss://a", "REDIS_TLS_KEY": "/key.pem"}, "REDIS_TLS_KEY"),
        ({"REDIS_URL": "redis://h:99999"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://h:port"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://[::1"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://h/main"}, "REDIS_URL"),
        ({"REDIS_URL": "unix://"}, "REDIS_URL"),
        ({"REDIS_HOST": "redis://h"}, "REDIS_HOST"),
        ({"REDIS_HOST": "a,,b"}, "REDIS_HOST"),
        ({"REDIS_HOST": "user@h"}, "REDIS_HOST"),
        ({"REDIS_HOST": "h", "REDIS_PORT": "x"}, "REDIS_PORT"),
        ({"REDIS_HOST": "h", "REDIS_PORT": "0"}, "REDIS_PORT"),
        ({"REDIS_HOST": "h", "REDIS_DB": "-1"}, "REDIS_DB"),
        ({"REDIS_HOST": "h", "REDIS_TLS": "2"}, "REDIS_TLS"),
    ],
)
def test_a_bad_variable_is_named(environ, named):
    with pytest.raises(ConfigurationError, match=named):
        redis_connection(environ)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@a:1,b:x",
        "redis://:hunter2@a,redis://:y@b",
        "http://:hunter2@a",
        "redis://:hunter2@a:x",
        "redis://:hunter2@a/x",
    ],
)
def test_no_sentence_repeats_a_password(url):
    with pytest.raises(ConfigurationError) as error:
        redis_url({"REDIS_URL": url})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@h:1/0", "redis://:***@h:1/0"),
        ("redis://ada:hunter2@[::1]:1", "redis://ada:***@[::1]:1"),
        ("redis://h:1?password=hunter2", "redis://h:1"),
        ("unix://:hunter2@/run/redis.sock?db=1", "unix://:***@/run/redis.sock"),
        ("redis://:hunter2@hunter@h", "redis://:***@h"),
        ("redis://:hunter2@h:1,i:2/0", "redis://:***@h:1,i:2/0"),
        ("redis://h:1/0", "redis://h:1/0"),
    ],
)
def test_the_url_that_is_shown_has_no_password(url, shown):
    assert ConnectionOptions("default", url).safe_url == shown


def test_variables_override_the_settings_of_queues():
    queues = {"deep-research": {"concurrency": 3, "attempts": 2}, "chat": {}}
    environ = {
        "DEEP_RESEARCH_QUEUE_CONCURRENCY": "7",
        "DEEP_RESEARCH_RATE_LIMIT_PER_5MIN": "3",
        "CHAT_RATE_LIMIT_PER_MINUTE": "10",
        "MY_CHAT_QUEUE_CONCURRENCY": "9",
        "CHAT_QUEUE_CONCURRENCY": "",
    }
    assert queue_overrides(queues, environ) == {
        "deep-research": {"concurrency": 7, "attempts": 2, "limiter": {"max": 3, "duration": 300_000}},
        "chat": {"limiter": {"max": 10, "duration": 60_000}},
    }


@pytest.mark.parametrize(
    ("unit", "duration"),
    [("SECOND", 1_000), ("10SEC", 10_000), ("MINUTE", 60_000), ("60SECONDS", 60_000), ("DAY", 86_400_000)],
)
def test_a_rate_limit_may_be_said_per_any_time(unit, duration):
    told = queue_overrides({"q": {}}, {f"Q_RATE_LIMIT_PER_{unit}": "4"})["q"]
    assert told == {"limiter": {"max": 4, "duration": duration}}


def test_the_environment_also_speaks_of_queues_that_the_settings_do_not_name():
    options = load({"VARIABLES": {"CHAT_QUEUE_CONCURRENCY": "7", "OTHER_RATE_LIMIT_PER_MINUTE": "many"}})
    assert options.queue("chat").concurrency == 7
    assert options.queue("third") == QueueOptions()
    with pytest.raises(ConfigurationError, match="OTHER_RATE_LIMIT_PER_MINUTE"):
        options.queue("other")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"CHAT_QUEUE_CONCURRENCY": "0"}, "CHAT_QUEUE_CONCURRENCY"),
        ({"CHAT_RATE_LIMIT_PER_MINUTE": "ten"}, "CHAT_RATE_LIMIT_PER_MINUTE"),
        ({"CHAT_RATE_LIMIT_PER_0MIN": "1"}, "CHAT_RATE_LIMIT_PER_0MIN"),
        ({"CHAT_RATE_LIMIT_PER_MINUTE": "1", "CHAT_RATE_LIMIT_PER_HOUR": "9"}, "CHAT_RATE_LIMIT_PER_HOUR and"),
    ],
)
def test_a_bad_variable_of_a_queue_is_named(environ, named):
    with pytest.raises(ConfigurationError, match=named):
        queue_overrides({"chat": {}}, environ)


def test_what_the_mirror_keeps_is_said_for_all_queues_and_differs_by_pattern():
    told = {"JOBS": "failed", "KEEP_DAYS": None, "QUEUES": {"mail*": {"PAYLOADS": "masked"}, "*": {"SAMPLE": 7}}}
    found = load({"MIRROR": told}).mirror
    assert (found.keep_days, found.keep_mb) == (None, 10_240)
    assert found.of("mail-out") == Policy(Kept.FAILED, Payloads.MASKED)
    assert found.of("chat") == Policy(Kept.FAILED, sample=7)
    assert load({}).mirror.of("chat") == Policy(Kept.ALL, Payloads.KEPT, 64)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"KEPT": 1}, "TORIL['MIRROR'] has no option 'KEPT'"),
        ({"JOBS": "some"}, "TORIL['MIRROR']['JOBS'] must be one of all, failed, sampled, none, not 'some'."),
        ({"PAYLOAD_KB": 0}, "TORIL['MIRROR']['PAYLOAD_KB'] must be a whole number from 1 to 1024"),
        ({"KEEP_MB": "much"}, "TORIL['MIRROR']['KEEP_MB'] must be a whole number of at least 1"),
        ({"QUEUES": {"a": {"KEEP_DAYS": 1}}}, "TORIL['MIRROR']['QUEUES']['a'] has no option 'KEEP_DAYS'"),
        ({"QUEUES": {3: {}}}, "a pattern of queues is a text"),
        ({"QUEUES": []}, "TORIL['MIRROR']['QUEUES'] must be a dict"),
    ],
)
def test_a_mistake_in_what_the_mirror_keeps_is_named(told, sentence):
    with pytest.raises(ConfigurationError) as caught:
        load({"MIRROR": told})
    assert sentence in str(caught.value)
    assert any(sentence in mistake for mistake in mistakes({"MIRROR": told}))
