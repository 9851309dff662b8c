"""What programs show instead of a session: keys, whose secrets are kept as digests alone."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from queues.abilities import ABILITIES

#: A key as it is shown once: `toril_<8 characters>_<43 characters>`. Scanners of secrets know it by its beginning.
PREFIX = "toril"


def scope_of(pattern: str) -> tuple[str, str]:
    """`replica:mails-*` → on the connection “replica”; `mails-*` → on any. A queue's name has no colon."""
    connection, colon, queue = pattern.rpartition(":")
    return (connection, queue) if colon else ("*", queue)


class ApiKey(models.Model):
    """What a key's holder may. Its secrets change with each rotation; the key, its name and its caller stay."""

    name = models.CharField(_("name"), max_length=80)
    #: Whose key it is: it never may more than they may now. None: a service's.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        verbose_name=_("owner"),
    )  # fmt: skip
    #: Names of `queues.abilities.ABILITIES`; what is none of them gives nothing.
    abilities = models.JSONField(_("abilities"), default=list)
    #: Patterns of queues, on any connection or on one: `mails-*`, `replica:mails-*`.
    queues = models.JSONField(_("queues"), default=list)
    #: Requests a minute, in each web process; None: as everybody's.
    rate = models.PositiveIntegerField(_("requests a minute"), null=True, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(_("made by"), max_length=150)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    #: Written at most once a minute.
    used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        verbose_name = _("API key")
        constraints = (
            # The audit names a service's acts `key:<name>`, and those of a person's key `key:<person>/<name>`.
            models.UniqueConstraint(
                fields=("owner", "name"), condition=Q(revoked_at__isnull=True), name="toril_key_name"
            ),
            models.UniqueConstraint(
                fields=("name",), condition=Q(revoked_at__isnull=True, owner__isnull=True), name="toril_key_service"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def held(self) -> tuple[str, ...]:
        """The abilities that there are; with any of them its queues can be seen."""
        told = self.abilities if isinstance(self.abilities, list) else []
        held = [ability for ability in ABILITIES if ability in told]
        return tuple(dict.fromkeys(["view", *held])) if held else ()

    @property
    def scopes(self) -> tuple[tuple[str, str], ...]:
        """Its patterns of (connection, queue)."""
        told = self.queues if isinstance(self.queues, list) else []
        return tuple(scope_of(each) for each in told if isinstance(each, str))


class ApiSecret(models.Model):
    """One secret of a key. After a rotation two of them open it, until the older one ends."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="secrets")
    #: The eight characters that are shown, and by which it is found.
    public_id = models.CharField(max_length=8, unique=True)
    #: SHA-256 of the secret, in hex: it has 256 bits of chance, so nothing slower is needed.
    digest = models.CharField(max_length=64)
    made_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{PREFIX}_{self.public_id}_…"
