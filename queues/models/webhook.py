"""Webhooks: where happenings are told, what was told there, and what was answered."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

#: What can be told, in the order in which a form lists it.
KINDS = (
    "job.completed", "job.failed", "queue.paused", "queue.resumed", "operation.ended", "alert.fired", "alert.cleared",
)  # fmt: skip
#: Made by a button, for one endpoint; it asks for nothing to be chosen.
TEST = "webhook.test"


class Endpoint(models.Model):
    """Somebody's address, what is told there, and how it stands. It is told of what its maker may see, and no more."""

    class Why(models.TextChoices):
        """Why nothing is sent there."""

        NONE = "", _("it is enabled")
        PERSON = "person", _("somebody disabled it")
        FAILING = "failing", _("it failed for too long")
        GONE = "gone", _("it answered 410: gone")
        FULL = "full", _("too much waited for it")
        SECRET = "secret", _("its secret cannot be read")

    name = models.CharField(max_length=120)
    url = models.CharField(max_length=2048)
    connection = models.CharField(max_length=64, default="default")
    #: Lists as JSON: kinds; patterns of queues and of job names, [] for all.
    kinds = models.TextField(default="[]")
    queues = models.TextField(default="[]")
    names = models.TextField(default="[]")
    #: Places in a job's data with what must stand there, as JSON: {"userId": "u1", "plan.tier": "pro"}.
    data = models.TextField(default="{}")
    #: Also what jobs carry and say, masked: data, result, error.
    with_payload = models.BooleanField(default=False)
    #: Sealed (delivery.sealing); the former one signs, too, until then.
    secret = models.TextField()
    former_secret = models.TextField(blank=True)
    former_until = models.DateTimeField(null=True, blank=True)
    maker = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    maker_name = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    #: Nothing is told that was before: it was made, or enabled again.
    since = models.DateTimeField()
    enabled = models.BooleanField(default=True, db_index=True)
    why = models.CharField(max_length=10, choices=Why.choices, default=Why.NONE, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    #: It failed then, and has not succeeded since.
    failing_since = models.DateTimeField(null=True, blank=True)
    #: What went wrong the last time.
    error = models.CharField(max_length=300, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    #: It asked to be left alone until then (429, 503 and their like).
    held_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("name", "pk")

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One happening for one endpoint. `due_at` says when it is sent next, None: never."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waits")
        SENT = "sent", _("sent")
        FAILED = "failed", _("given up")

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    #: The header `webhook-id`: the same however often it is sent.
    message_id = models.CharField(max_length=40, unique=True)
    #: Tells the happening; there is one delivery of it for each endpoint.
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=40)
    connection = models.CharField(max_length=64, default="default")
    queue = models.CharField(max_length=512, blank=True)
    job_id = models.CharField(max_length=1024, blank=True)
    job_name = models.CharField(max_length=200, blank=True)
    #: The request's body, to the byte.
    body = models.TextField()
    #: It holds what the job carries or said.
    has_payload = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField(null=True, blank=True)
    #: Attempts in all; and since it was made, or told to be sent again.
    tries = models.IntegerField(default=0)
    round_tries = models.IntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    #: Of the last attempt: None where there was no answer.
    status = models.IntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-pk",)
        constraints = (models.UniqueConstraint(fields=("endpoint", "key"), name="toril_delivery_key"),)
        indexes = (
            models.Index(
                fields=("endpoint", "due_at"), condition=models.Q(due_at__isnull=False), name="toril_delivery_due"
            ),
            models.Index(fields=("endpoint", "state", "-id"), name="toril_delivery_list"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"


class DeliveryTry(models.Model):
    """One attempt: what was answered, or why there was no answer."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    took_ms = models.IntegerField(default=0)
    status = models.IntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    #: The address that was connected to, and the answer's beginning.
    address = models.CharField(max_length=64, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"attempt of {self.delivery_id}: {self.status or self.error}"


class QueueTold(models.Model):
    """A queue of which it was told that it is paused: once, whoever paused it, until it was told that it runs again."""

    connection = models.CharField(max_length=64)
    queue = models.CharField(max_length=512)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("connection", "queue"), name="toril_queue_told"),)

    def __str__(self) -> str:
        return self.queue
