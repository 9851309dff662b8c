"""Tables of the dashboard alone: who signs in by a provider elsewhere; who may do what on some queues only; searches
that people keep; and what programs were answered, so that the same request does the same once.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class OutsideAccount(models.Model):
    """Whom a provider of sign-in means: its own name for somebody stays, their names and addresses may change hands."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "toril_dashboard"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("issuer", "subject"), name="toril_outside_account"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.subject} of {self.issuer}"


class QueueGrant(models.Model):
    """Abilities of one user or group on the queues that fit; beside what Django's permissions give on all queues."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        verbose_name=_("user"),
    )  # fmt: skip
    group = models.ForeignKey(
        "auth.Group", null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("group")
    )
    connection = models.CharField(_("connection"), max_length=64, default="*", help_text=_("A name; * stands for any."))
    queue = models.CharField(
        _("queue"), max_length=512, help_text=_("A name; * stands for any text, ? for one character: mails-*")
    )
    #: Names of `queues.abilities.ABILITIES`; what is none of them gives nothing.
    abilities = models.JSONField(_("abilities"), default=list)

    class Meta:
        app_label = "toril_dashboard"
        verbose_name = _("grant on queues")
        verbose_name_plural = _("grants on queues")
        constraints = (
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
                name="toril_grant_one_holder",
                violation_error_message=_("Name a user or a group, one of the two."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.queue}"


class SavedView(models.Model):
    """A search that somebody keeps under a name: for themselves, or for all who may see what it names."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=80)
    #: As it is typed into the box; its moments count from when it is opened.
    query = models.TextField(_("query"))
    is_shared = models.BooleanField(_("shared"), default=False)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "toril_dashboard"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="toril_view_name"),)
        indexes = (models.Index(fields=("name",), condition=Q(is_shared=True), name="toril_view_shared"),)

    def __str__(self) -> str:
        return self.name


class ApiAnswer(models.Model):
    """What a request with an Idempotency-Key was answered: the same key gets the same again, and nothing is done twice.

    `key` and `fingerprint` are digests: of the caller with the key, and of the request. No status: it is under way.
    """

    key = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64)
    begun_at = models.DateTimeField()
    until = models.DateTimeField(db_index=True)
    status = models.SmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)

    class Meta:
        app_label = "toril_dashboard"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.begun_at:%Y-%m-%d %H:%M:%S}: {self.status or 'under way'}"
