from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("toril", "0009_search"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="queue",
            options={
                "default_permissions": (),
                "ordering": ("connection", "name"),
                "permissions": (
                    ("view", "Can see queues and jobs"),
                    ("view_payload", "Can read what jobs carry: data, results, logs, errors"),
                    ("reveal_secrets", "Can reveal masked secrets"),
                    ("retry", "Can retry, promote and recover jobs"),
                    ("edit", "Can edit jobs, their delay and priority"),
                    ("add", "Can add and duplicate jobs"),
                    ("remove", "Can remove, cancel and fail jobs"),
                    ("pause", "Can pause and resume queues"),
                    ("clean", "Can clean and empty queues"),
                    ("obliterate", "Can obliterate queues"),
                    ("limits", "Can change limits of queues"),
                    ("schedulers", "Can change and run schedulers"),
                    ("workers", "Can quiet, resume and stop workers"),
                    ("triage", "Can resolve, ignore, assign, split and merge groups of failures"),
                    ("view_audit", "Can read who did what"),
                ),
            },
        ),
        migrations.AddField(
            model_name="job",
            name="failure_ms",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="failure_cause",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="FailureGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("regressed", "regressed"),
                            ("resolved", "resolved"),
                            ("ignored", "ignored"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("status_ms", models.BigIntegerField(default=0)),
                ("status_by", models.CharField(blank=True, max_length=150)),
                ("last_ms", models.BigIntegerField(default=0)),
                ("moving", models.CharField(blank=True, max_length=48)),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="toril.failuregroup",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="FailureEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("kind", models.CharField(max_length=10)),
                ("text", models.TextField(blank=True)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="toril.failuregroup"
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="FailureCause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=32)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("kind", models.CharField(blank=True, max_length=120)),
                ("message", models.TextField(blank=True)),
                ("frame", models.CharField(blank=True, max_length=200)),
                ("kept", models.CharField(blank=True, max_length=40)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="causes", to="toril.failuregroup"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="FailureSpot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue", models.CharField(max_length=512)),
                ("total", models.BigIntegerField(default=0)),
                ("first_ms", models.BigIntegerField()),
                ("last_ms", models.BigIntegerField()),
                (
                    "cause",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="spots", to="toril.failurecause"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="FailureCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue", models.CharField(max_length=512)),
                ("step_s", models.IntegerField()),
                ("at", models.BigIntegerField()),
                ("failed", models.BigIntegerField(default=0)),
                (
                    "cause",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="toril.failurecause"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["step_s", "at"], name="toril_failure_count_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("cause", "step_s", "at", "queue"), name="toril_failure_count_key")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="failuregroup",
            index=models.Index(fields=["connection", "last_ms"], name="toril_failure_group_last"),
        ),
        migrations.AddIndex(
            model_name="failuregroup",
            index=models.Index(
                condition=models.Q(("moving", ""), _negated=True), fields=["id"], name="toril_failure_group_moving"
            ),
        ),
        migrations.AddIndex(
            model_name="failurecause",
            index=models.Index(fields=["connection", "name"], name="toril_failure_cause_name"),
        ),
        migrations.AddConstraint(
            model_name="failurecause",
            constraint=models.UniqueConstraint(fields=("connection", "digest"), name="toril_failure_cause_key"),
        ),
        migrations.AddConstraint(
            model_name="failurespot",
            constraint=models.UniqueConstraint(fields=("cause", "queue"), name="toril_failure_spot_key"),
        ),
    ]
