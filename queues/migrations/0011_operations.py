import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PHASES = [("running", "running"), ("paused", "paused"), ("done", "done"), ("cancelled", "cancelled")]
OUTCOMES = [(0, "not yet"), (1, "done"), (2, "had moved on"), (3, "stayed")]
STATES = [
    ("waiting", "Waiting"),
    ("prioritized", "Prioritized"),
    ("active", "Active"),
    ("delayed", "Delayed"),
    ("failed", "Failed"),
    ("completed", "Completed"),
    ("waiting-children", "Waiting for children"),
    ("unknown", "Unknown"),
]


def key():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def number():
    return models.BigIntegerField(default=0)


def moment():
    return models.DateTimeField(blank=True, null=True)


def other(name):
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name=name,
        to="toril.operation",
    )


def part_of(name):
    return models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name=name, to="toril.operation"
    )


class Migration(migrations.Migration):
    dependencies = [("toril", "0010_failures"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", key()),
                ("action", models.CharField(max_length=20)),
                ("connection", models.CharField(default="default", max_length=64)),
                ("target", models.TextField()),
                ("reach", models.TextField(default="{}")),
                ("parameters", models.TextField(default="{}")),
                ("queues", models.TextField(default="[]")),
                ("reason", models.TextField(blank=True)),
                ("actor", models.CharField(max_length=150)),
                ("rate_per_s", models.FloatField(blank=True, null=True)),
                ("stop_percent", models.FloatField(blank=True, null=True)),
                ("phase", models.CharField(choices=PHASES, db_index=True, default="running", max_length=10)),
                ("message", models.TextField(blank=True)),
                ("stopped_itself", models.BooleanField(default=False)),
                ("is_collected", models.BooleanField(default=False)),
                ("expected", number()),
                ("total", number()),
                ("done", number()),
                ("moved", number()),
                ("stayed", number()),
                ("judged", number()),
                ("failed_again", number()),
                ("settled", number()),
                ("hand", number()),
                ("awaited", models.TextField(default="[]")),
                ("speed", models.FloatField(default=0)),
                ("keeps", models.BooleanField(default=False)),
                ("kept_jobs", number()),
                ("kept_bytes", number()),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("started_at", moment()),
                ("turned_at", moment()),
                ("ended_at", moment()),
                ("repeats", other("repetitions")),
                ("restores", other("restorations")),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ("-pk",), "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="OperationItem",
            fields=[
                ("id", key()),
                ("seq", models.BigIntegerField()),
                ("queue", models.CharField(max_length=512)),
                ("job_id", models.CharField(max_length=1024)),
                ("key", models.BigIntegerField(db_index=True, default=0)),
                ("state", models.CharField(choices=STATES, max_length=20)),
                ("mark", number()),
                ("outcome", models.SmallIntegerField(choices=OUTCOMES, default=0)),
                ("note", models.TextField(blank=True, default="")),
                ("operation", part_of("items")),
            ],
            options={
                "ordering": ("seq",),
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("outcome__gt", 1)),
                        fields=["operation", "outcome", "seq"],
                        name="toril_operation_left",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("operation", "seq"), name="toril_operation_item")],
            },
        ),
        migrations.CreateModel(
            name="StoredJobs",
            fields=[
                ("id", key()),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("jobs", models.IntegerField()),
                ("body", models.BinaryField()),
                ("size", models.BigIntegerField()),
                ("until", models.DateTimeField(db_index=True)),
                ("operation", part_of("stored")),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("operation", "first"), name="toril_stored_jobs")],
            },
        ),
    ]
