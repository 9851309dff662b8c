"""What TORIL["ALERTS"] may say, and what is refused by name; and the mail server's variables."""

from __future__ import annotations

import pytest

from dashboard import telling
from queues.errors import ConfigurationError
from queues.options import AlertOptions, alerts, load, mistakes
from queues.options.alert_rules import KINDS, NoData, Rule, read_rule

HOOK = "https://hooks.slack.com/services/T0/B0/very-secret"
RULE = {"KIND": "backlog"}


def named(options: AlertOptions) -> dict[str, Rule]:
    return {rule.name: rule for rule in options.rules}


def test_nothing_told_is_every_built_in_rule_and_no_channel():
    found = alerts({})
    assert found == AlertOptions()
    assert {rule.kind for rule in found.rules} == {name for name, kind in KINDS.items() if kind.is_built_in}
    assert found.channels == ()


def test_a_rule_of_the_settings_stands_in_place_of_the_built_in_one_or_leaves_it_out():
    found = named(alerts({"RULES": {"Backlog": {"KIND": "backlog", "FIRES": 9}, "Redis silent": None}}))
    assert (found["Backlog"].fires, found["Backlog"].clears, found["Backlog"].source) == (9, 7.2, "settings")
    assert "Redis silent" not in found
    assert named(alerts({"BUILT_IN": False, "RULES": {"Own": RULE}})).keys() == {"Own"}


def test_what_a_rule_tells_of_itself_makes_the_same_rule():
    told = {"KIND": "latency", "QUEUE": "a*", "FIRES": 5, "CLEARS": 1, "NO_DATA": "fire", "CHANNELS": ["x"]}
    rule = read_rule("", "k", "n", told, "page")
    assert read_rule("", "k", "n", rule.told(), "page") == rule
    assert rule.no_data is NoData.FIRE


@pytest.mark.parametrize(("queue", "name", "fits"), [
    ("*", "any", True), ("mail*", "mails", True), ("mail*", "chat", False), ("a[b]", "a[b]", True),
    ("a[b]", "ab", False),
])  # fmt: skip
def test_patterns_are_of_stars_and_question_marks_alone(queue, name, fits):
    assert read_rule("", "k", "n", RULE | {"QUEUE": queue}, "page").fits("default", name) is fits


@pytest.mark.parametrize(("value", "said"), [
    ({"X": 1}, "has no option 'X'"),
    ({"RULES": {"A": {"KIND": "odd"}}}, "['RULES']['A']['KIND'] must be one of"),
    ({"RULES": {"A": RULE | {"FIRES": "9"}}}, "['FIRES'] must be a number"),
    ({"RULES": {"A": RULE | {"FIRES": float("nan")}}}, "['FIRES'] must be a number"),
    ({"RULES": {"A": RULE | {"FIRES": 5, "CLEARS": 5}}}, "must be below FIRES"),
    ({"RULES": {"A": RULE | {"FIRES": 0}}}, "must be below FIRES"),
    ({"RULES": {"A": RULE | {"WINDOW_S": 5}}}, "['WINDOW_S'] must be a whole number from 60"),
    ({"RULES": {"A": RULE | {"NO_DATA": "x"}}}, "['NO_DATA'] must be one of keep, fire"),
    ({"RULES": {"A": {"KIND": "redis_memory", "FIRES": 200}}}, "at most 100"),
    ({"RULES": {"A": RULE | {"QUEUE": ""}}}, "['QUEUE'] must be a name or a pattern"),
    ({"RULES": {"None such": None}}, "no built-in rule of this name"),
    ({"RULES": {"A": RULE | {"CHANNELS": ["b"]}}, "CHANNELS": {"a": {"SLACK": HOOK}}}, "names no channel: 'b'"),
    ({"CHANNELS": {"a": {}}}, "must be either"),
    ({"CHANNELS": {"webhooks": {"SLACK": HOOK}}}, "and not 'webhooks'"),
    ({"CHANNELS": {"a": {"MAIL": "ops@example.com"}}}, "must be a list"),
    ({"CHANNELS": {"a": {"MAIL": ["ops@example.com\nBcc: x@example.com"]}}}, "list of mail addresses"),
    ({"CHANNELS": {"a": {"SLACK": "file:///very-secret"}}}, "begins with https://"),
    ({"SITE": "ops.example.com"}, "['SITE'] must be an address"),
    ({"KEEP_DAYS": 0}, "['KEEP_DAYS'] must be a whole number"),
])  # fmt: skip
def test_a_mistake_names_its_place_and_shows_no_secret(value, said):
    with pytest.raises(ConfigurationError) as refused:
        alerts(value)
    assert "TORIL['ALERTS']" in str(refused.value)
    assert said in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_one_mistake_does_not_hide_the_next():
    assert len(mistakes({"ALERTS": {"SITE": "x", "KEEP_DAYS": 0, "RULES": {"A": {"KIND": "x"}}}})) == 3


def test_a_channel_shows_no_secret_of_its_address():
    (channel,) = alerts({"CHANNELS": {"chat": {"SLACK": HOOK}}}).channels
    assert channel.shown == "hooks.slack.com"
    assert "very-secret" not in repr(channel) + repr(alerts({"HEARTBEAT_URL": HOOK}))


def test_the_environment_sets_up_channels_and_the_mail_server():
    assert load({"ALERTS": telling.alerts({})}).alerts == AlertOptions()
    told = telling.alerts(
        {"ALERT_MAIL_TO": "a@example.com, b@example.com", "ALERT_SLACK_URL": HOOK, "SITE_URL": "https://x/y/"}
    )
    found = alerts(told)
    assert [(channel.name, channel.kind, channel.shown) for channel in found.channels] == [
        ("mail", "mail", "a@example.com, b@example.com"), ("chat", "slack", "hooks.slack.com"),
    ]  # fmt: skip
    assert found.site == "https://x/y"


@pytest.mark.parametrize("version", [(5, 2), (6, 1)])
def test_mail_is_set_up_by_the_names_of_each_django(version, monkeypatch):
    monkeypatch.setattr(telling, "VERSION", version)
    environ = {"EMAIL_HOST": "mx", "EMAIL_PORT": "587", "EMAIL_HOST_USER": "u", "EMAIL_USE_TLS": "1"}
    told = telling.mail(environ | {"DEFAULT_FROM_EMAIL": "toril@example.com"})
    assert told.pop("DEFAULT_FROM_EMAIL") == "toril@example.com"
    if version == (6, 1):
        options = told["MAILERS"]["default"]["OPTIONS"]
        assert (options["host"], options["port"], options["username"], options["use_tls"]) == ("mx", 587, "u", True)
    else:
        assert set(told) == {f"EMAIL_{n}" for n in "HOST PORT HOST_USER HOST_PASSWORD USE_TLS USE_SSL TIMEOUT".split()}
        assert (told["EMAIL_HOST"], told["EMAIL_PORT"], told["EMAIL_USE_TLS"]) == ("mx", 587, True)
    with pytest.raises(ConfigurationError, match="EMAIL_PORT"):
        telling.mail({"EMAIL_PORT": "smtp"})
