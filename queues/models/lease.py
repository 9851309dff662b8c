"""The lease by which one mirror leads per database."""

from django.db import models


class Lease(models.Model):
    """Held by `holder` until `until`; `epoch` grows with each change of hands, so a former leader cannot write."""

    name = models.CharField(max_length=64, unique=True)
    holder = models.CharField(max_length=128, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    epoch = models.BigIntegerField(default=0)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} held by {self.holder or 'nobody'}"
