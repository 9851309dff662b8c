from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("toril", "0014_webhooks")]

    operations = [
        migrations.CreateModel(
            name="AlertLook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64, unique=True)),
                ("at", models.DateTimeField()),
                ("took_ms", models.IntegerField(default=0)),
                ("silent_since", models.DateTimeField(blank=True, null=True)),
                ("unknown", models.TextField(default="{}")),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("definition", models.TextField()),
                ("actor", models.CharField(max_length=150)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ("name",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AlertSilence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(blank=True, max_length=120)),
                ("rule_name", models.CharField(blank=True, max_length=100)),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(max_length=512)),
                ("until", models.DateTimeField(db_index=True)),
                ("reason", models.TextField()),
                ("actor", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("ended_by", models.CharField(blank=True, max_length=150)),
            ],
            options={
                "ordering": ("until",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=120)),
                ("rule_name", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=24)),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(blank=True, max_length=512)),
                ("subject", models.CharField(blank=True, max_length=512)),
                ("digest", models.CharField(max_length=32)),
                (
                    "phase",
                    models.CharField(
                        choices=[("pending", "about to fire"), ("firing", "firing"), ("cleared", "cleared")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("fired_at", models.DateTimeField(blank=True, null=True)),
                ("cleared_at", models.DateTimeField(blank=True, null=True)),
                ("value", models.FloatField(blank=True, null=True)),
                ("fired_value", models.FloatField(blank=True, null=True)),
                ("peak", models.FloatField(blank=True, null=True)),
                ("fires", models.FloatField()),
                ("clears", models.FloatField()),
                ("hold_s", models.IntegerField(default=0)),
                ("facts", models.TextField(default="{}")),
                ("blind_since", models.DateTimeField(blank=True, null=True)),
                ("blind_why", models.CharField(blank=True, max_length=200)),
                ("ended_by", models.CharField(blank=True, max_length=10)),
                ("to_tell", models.CharField(blank=True, max_length=10)),
                ("held", models.CharField(blank=True, max_length=16)),
                ("held_until", models.DateTimeField(blank=True, null=True)),
                ("told_at", models.DateTimeField(blank=True, null=True)),
                ("cleared_told_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-pk",),
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["connection", "phase", "fired_at"], name="toril_alert_phase"),
                    models.Index(fields=["connection", "to_tell"], name="toril_alert_to_tell"),
                    models.Index(fields=["digest", "told_at"], name="toril_alert_digest"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("phase", "cleared"), _negated=True),
                        fields=("digest",),
                        name="toril_alert_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Stall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(max_length=512)),
                ("at", models.BigIntegerField(db_index=True)),
                ("count", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("connection", "queue", "at"), name="toril_stall_key")],
            },
        ),
        migrations.CreateModel(
            name="AlertNotice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=120)),
                ("kind", models.CharField(choices=[("fired", "fired"), ("cleared", "cleared")], max_length=10)),
                ("channel", models.CharField(max_length=64)),
                ("title", models.TextField()),
                ("text", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("tries", models.IntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("answer", models.TextField(blank=True)),
                ("alerts", models.ManyToManyField(related_name="notices", to="toril.alert")),
            ],
            options={
                "ordering": ("pk",),
                "default_permissions": (),
                "indexes": [models.Index(fields=["rule", "kind", "made_at"], name="toril_alert_notice_rule")],
            },
        ),
    ]
