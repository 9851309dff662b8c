"""Alerts: rules that people made, what fires and why, what was told to whom, what is silenced; stalls by the minute."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils.translation import gettext_lazy as _


class AlertRule(models.Model):
    """A rule that was made on the page: `definition` is what `options.alert_rules.read_rule` takes, as JSON."""

    name = models.CharField(max_length=100, unique=True)
    definition = models.TextField()
    actor = models.CharField(max_length=150)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        return f"page:{self.pk}"


class Alert(models.Model):
    """One thing of which a rule says that it is wrong, from when it was first seen to when it cleared.

    What is only `pending` goes away without a trace. Names and levels are copied: its rule may be another by now.
    """

    class Phase(models.TextChoices):
        PENDING = "pending", _("about to fire")
        FIRING = "firing", _("firing")
        CLEARED = "cleared", _("cleared")

    rule = models.CharField(max_length=120)
    rule_name = models.CharField(max_length=100)
    kind = models.CharField(max_length=24)
    connection = models.CharField(max_length=64)
    #: Empty where it is about the connection itself.
    queue = models.CharField(max_length=512, blank=True)
    #: What of the queue: a scheduler's id.
    subject = models.CharField(max_length=512, blank=True)
    #: `digest_of` these: they are longer than an index takes.
    digest = models.CharField(max_length=32)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.PENDING)
    #: Since when it has been at its level or over.
    since = models.DateTimeField()
    #: The last time that anybody knew its value.
    seen_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    value = models.FloatField(null=True, blank=True)
    fired_value = models.FloatField(null=True, blank=True)
    peak = models.FloatField(null=True, blank=True)
    fires = models.FloatField()
    clears = models.FloatField()
    hold_s = models.IntegerField(default=0)
    #: What its value is made of, as JSON (`alerting.words`).
    facts = models.TextField(default="{}")
    #: Since when nobody knows its value, and why.
    blind_since = models.DateTimeField(null=True, blank=True)
    blind_why = models.CharField(max_length=200, blank=True)
    #: Why it ended otherwise than by getting better: `gone` (what it was about), `rule` (is off, or another).
    ended_by = models.CharField(max_length=10, blank=True)
    #: What is still to be told of it: `fired`, `cleared` or nothing; and what holds that back.
    to_tell = models.CharField(max_length=10, blank=True)
    held = models.CharField(max_length=16, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    cleared_told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(fields=("digest",), condition=~models.Q(phase="cleared"), name="toril_alert_open"),
        )
        indexes = (
            models.Index(fields=("connection", "phase", "fired_at"), name="toril_alert_phase"),
            models.Index(fields=("connection", "to_tell"), name="toril_alert_to_tell"),
            models.Index(fields=("digest", "told_at"), name="toril_alert_digest"),
        )

    def __str__(self) -> str:
        return f"{self.rule_name} {self.phase}: {self.queue}"


def digest_of(rule: str, connection: str, queue: str, subject: str) -> str:
    told = "\0".join((rule, connection, queue, subject))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class AlertNotice(models.Model):
    """One message to one channel, about one or more alerts of a rule; made once, and tried until it is sent or given
    up. It may name queues that whoever looks does not see: its text is for its channel alone.
    """

    class Kind(models.TextChoices):
        FIRED = "fired", _("fired")
        CLEARED = "cleared", _("cleared")

    rule = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    channel = models.CharField(max_length=64)
    alerts = models.ManyToManyField(Alert, related_name="notices")
    title = models.TextField()
    text = models.TextField()
    made_at = models.DateTimeField()
    #: When it is to be tried next; None: no more.
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    tries = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    #: What was said to the last try.
    answer = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("pk",)
        indexes = (models.Index(fields=("rule", "kind", "made_at"), name="toril_alert_notice_rule"),)

    def __str__(self) -> str:
        return f"{self.kind} to {self.channel}"

    @property
    def is_given_up(self) -> bool:
        return self.sent_at is None and self.due_at is None


class AlertSilence(models.Model):
    """Until then nobody is told of what fits; it fires and is shown all the same. An empty rule: any rule."""

    rule = models.CharField(max_length=120, blank=True)
    rule_name = models.CharField(max_length=100, blank=True)
    connection = models.CharField(max_length=64)
    #: A name, or `*` for all of the connection.
    queue = models.CharField(max_length=512)
    until = models.DateTimeField(db_index=True)
    reason = models.TextField()
    actor = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("until",)

    def __str__(self) -> str:
        return f"{self.queue} until {self.until}"

    def fits(self, alert: Alert) -> bool:
        is_place = self.connection == alert.connection and self.queue in ("*", alert.queue)
        return is_place and self.rule in ("", alert.rule)


class AlertLook(models.Model):
    """The last time that a connection's rules were evaluated, and what could not be known of it."""

    connection = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField()
    took_ms = models.IntegerField(default=0)
    #: Since when its Redis does not answer.
    silent_since = models.DateTimeField(null=True, blank=True)
    #: rule → [[queue, why], …] as JSON, a bounded number of each.
    unknown = models.TextField(default="{}")

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.connection} at {self.at}"


class Stall(models.Model):
    """How often jobs of a queue were taken back from workers that were lost, in the minute that begins at `at` (seconds
    since the epoch): written with the mirror's place in the stream, so each is counted once.
    """

    connection = models.CharField(max_length=64)
    queue = models.CharField(max_length=512)
    at = models.BigIntegerField(db_index=True)
    count = models.BigIntegerField(default=0)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("connection", "queue", "at"), name="toril_stall_key"),)

    def __str__(self) -> str:
        return f"{self.count} in {self.queue}"
