import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def key():
    return ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


def note(apps, schema_editor):
    """What was paused before anybody could tell is no news."""
    Queue, QueueTold = apps.get_model("toril", "Queue"), apps.get_model("toril", "QueueTold")
    paused = Queue.objects.filter(is_paused=True, removed_at__isnull=True).values_list("connection", "name")
    QueueTold.objects.bulk_create([QueueTold(connection=c, queue=q) for c, q in paused], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("toril", "0013_credentials"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                key(),
                ("name", models.CharField(max_length=120)),
                ("url", models.CharField(max_length=2048)),
                ("connection", models.CharField(default="default", max_length=64)),
                ("kinds", models.TextField(default="[]")),
                ("queues", models.TextField(default="[]")),
                ("names", models.TextField(default="[]")),
                ("data", models.TextField(default="{}")),
                ("with_payload", models.BooleanField(default=False)),
                ("secret", models.TextField()),
                ("former_secret", models.TextField(blank=True)),
                ("former_until", models.DateTimeField(blank=True, null=True)),
                (
                    "maker",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("maker_name", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("since", models.DateTimeField()),
                ("enabled", models.BooleanField(db_index=True, default=True)),
                (
                    "why",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "it is enabled"),
                            ("person", "somebody disabled it"),
                            ("failing", "it failed for too long"),
                            ("gone", "it answered 410: gone"),
                            ("full", "too much waited for it"),
                            ("secret", "its secret cannot be read"),
                        ],
                        default="",
                        max_length=10,
                    ),
                ),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("succeeded_at", models.DateTimeField(blank=True, null=True)),
                ("held_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={"default_permissions": (), "ordering": ("name", "pk")},
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                key(),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="deliveries",
                        to="toril.endpoint",
                    ),
                ),
                ("message_id", models.CharField(max_length=40, unique=True)),
                ("key", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=40)),
                ("connection", models.CharField(default="default", max_length=64)),
                ("queue", models.CharField(blank=True, max_length=512)),
                ("job_id", models.CharField(blank=True, max_length=1024)),
                ("job_name", models.CharField(blank=True, max_length=200)),
                ("body", models.TextField()),
                ("has_payload", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waits"), ("sent", "sent"), ("failed", "given up")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.IntegerField(default=0)),
                ("round_tries", models.IntegerField(default=0)),
                ("made_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("status", models.IntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "default_permissions": (),
                "ordering": ("-pk",),
                "constraints": [models.UniqueConstraint(fields=("endpoint", "key"), name="toril_delivery_key")],
                "indexes": [
                    models.Index(
                        fields=["endpoint", "due_at"],
                        condition=models.Q(("due_at__isnull", False)),
                        name="toril_delivery_due",
                    ),
                    models.Index(fields=["endpoint", "state", "-id"], name="toril_delivery_list"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeliveryTry",
            fields=[
                key(),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="toril.delivery"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("took_ms", models.IntegerField(default=0)),
                ("status", models.IntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("address", models.CharField(blank=True, max_length=64)),
                ("answer", models.TextField(blank=True)),
            ],
            options={"default_permissions": (), "ordering": ("pk",)},
        ),
        migrations.CreateModel(
            name="QueueTold",
            fields=[
                key(),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(max_length=512)),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("connection", "queue"), name="toril_queue_told")],
            },
        ),
        migrations.RunPython(note, migrations.RunPython.noop),
    ]
