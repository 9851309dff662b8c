"""How far a follower of the mirror's changes has come."""

from __future__ import annotations

from django.db import models


class Cursor(models.Model):
    """`name` has taken in every change (`Job.change`) up to `at`; committed together with what came of them."""

    name = models.CharField(max_length=64, unique=True)
    at = models.BigIntegerField(default=0)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
