"""Tables of the dashboard alone: failed sign-ins, by which guessing is slowed in every web process at once."""

from django.db import models


class SignInAttempt(models.Model):
    """One evaluated sign-in that has not succeeded. Names are kept as digests: people type passwords into them."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    account = models.CharField(max_length=64, db_index=True)
    address = models.CharField(max_length=64, db_index=True)

    class Meta:
        app_label = "toril_dashboard"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} from {self.address}"
