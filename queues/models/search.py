"""What a search looks into: each job's terms, the few texts that are searched within, and words that were seen.

No foreign keys: the tables follow the mirror's rows with a cursor of their own. SQLite's triggers and PostgreSQL's
indexes, which no model tells of, are in migration 0009.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    # A project that runs with Django's own settings has fields that take no types.
    TextField = models.TextField

#: SQLite's indexes over the tables below, by name: terms, and three characters each of the texts.
TERMS_INDEX, TEXTS_INDEX = "toril_search_terms", "toril_search_grams"


class TermsField(TextField):
    """Terms with spaces between; on PostgreSQL a tsvector. Written and asked by SQL alone, never read."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "tsvector" if connection.vendor == "postgresql" else super().db_type(connection)


class SearchDocument(models.Model):
    """A job's terms. `place` orders by time: milliseconds in its upper bits (`search.places`), and is nobody else's."""

    place = models.BigIntegerField(primary_key=True)
    job = models.BigIntegerField(unique=True)
    #: Of the terms and the place, to tell what did not change.
    digest = models.BigIntegerField()
    terms = TermsField()

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"terms of row {self.job}"


class SearchText(models.Model):
    """A job's id, name and error's first line, folded and masked: found by any three characters of them."""

    job = models.BigIntegerField(primary_key=True)
    job_id = models.TextField(blank=True)
    name = models.TextField(blank=True)
    error = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"texts of row {self.job}"


class SearchWord(models.Model):
    """A job's name, a worker or a path in the data that a queue has had: what may be suggested."""

    kind = models.CharField(max_length=8)
    connection = models.CharField(max_length=64)
    queue = models.CharField(max_length=512)
    text = models.CharField(max_length=200)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("connection", "queue", "kind", "text"), name="toril_search_word_key"),
        )
        indexes = (models.Index(fields=("kind", "text"), name="toril_search_word_text"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"
