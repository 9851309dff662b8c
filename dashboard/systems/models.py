"""The tables of the five systems. A row of `Work` is one job that somebody asked for, and outlives it; it is theirs
alone who asked (`owner`, as `request.identity.caller` says it).
"""

from __future__ import annotations

import uuid

from django.db import models


class Status(models.TextChoices):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


#: Those that have not ended.
OPEN = (Status.QUEUED, Status.PROCESSING)


class Work(models.Model):
    """One job and what became of it. `result` is what its processor returned."""

    queue = models.CharField(max_length=512)
    job_id = models.CharField(max_length=1_024)
    owner = models.CharField(max_length=500, blank=True, db_index=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    result = models.JSONField(null=True)
    error_message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    #: Who is to be told when it has ended; `owes_webhook` until the job that tells them is added.
    webhook_url = models.CharField(max_length=2_000, blank=True)
    owes_webhook = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("queue", "job_id"), name="toril_systems_job"),)
        indexes = (models.Index(fields=("owes_webhook", "status"), name="toril_systems_owed"),)

    def __str__(self) -> str:
        return f"{self.queue}/{self.job_id}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Page(models.Model):
    """System A: a scraped page, for which an example call and then embeddings are made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    owner = models.CharField(max_length=500, db_index=True)
    url = models.CharField(max_length=2_000)
    title = models.CharField(max_length=500, blank=True)
    method = models.CharField(max_length=10)
    parameters = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.url


class PageWork(Work):
    page = models.ForeignKey(Page, models.CASCADE, related_name="works")


class Paper(models.Model):
    """System B: a paper by its arXiv id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    owner = models.CharField(max_length=500, db_index=True)
    arxiv_id = models.CharField(max_length=20)
    url = models.CharField(max_length=200)
    title = models.CharField(max_length=500)
    author_line = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.arxiv_id} {self.title}"


class PaperWork(Work):
    paper = models.ForeignKey(Paper, models.CASCADE, related_name="works")


class Message(Work):
    """System C: what was asked in a conversation; `answer` is there before anybody hears of it."""

    message_id = models.UUIDField(unique=True, default=uuid.uuid4)
    conversation_id = models.CharField(max_length=100, db_index=True)
    text = models.TextField()
    answer = models.TextField(blank=True)


class ResearchState(models.Model):
    """System C: how far the research of a conversation is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    conversation_id = models.CharField(max_length=100, unique=True)
    owner = models.CharField(max_length=500)
    state = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.conversation_id


class Scan(Work):
    """System D: one scan of a site, under an id of the caller's own."""

    url = models.CharField(max_length=2_000)
    plan = models.CharField(max_length=20, default="standard")


class TextJob(Work):
    """System E: a text and what was to be done with it. What its model took is the sum of all attempts."""

    kind = models.CharField(max_length=20)
    text = models.TextField()
    token_used = models.PositiveIntegerField(null=True)
    cost_cents = models.DecimalField(max_digits=14, decimal_places=6, null=True)


class Usage(models.Model):
    """What one question to a model took, whoever added its job."""

    queue = models.CharField(max_length=512)
    job_id = models.CharField(max_length=1_024)
    attempt = models.PositiveIntegerField()
    model = models.CharField(max_length=200)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    cost_cents = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        indexes = (models.Index(fields=("queue", "job_id"), name="toril_systems_usage_job"),)

    def __str__(self) -> str:
        return f"{self.queue}/{self.job_id}: {self.model}"
