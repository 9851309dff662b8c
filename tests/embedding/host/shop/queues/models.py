from django.contrib.auth.models import AbstractUser
from django.db import models


class Clerk(AbstractUser):
    """A user model of the host's own."""


class Till(models.Model):
    name = models.CharField(max_length=20)

    def __str__(self):
        return self.name
