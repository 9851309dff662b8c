from django.db import migrations, models

from queues.options.values import LOCAL_CONNECTION


def number(apps, schema_editor):
    """Who follows the rows takes in what changed: of what was mirrored before there were numbers, all of it did."""
    rows = apps.get_model("toril", "Job").objects.filter(change=0).exclude(connection=LOCAL_CONNECTION)
    rows.update(change=models.F("pk"))


class Migration(migrations.Migration):
    dependencies = [("toril", "0006_changes")]

    operations = [
        migrations.RunPython(number, migrations.RunPython.noop),
        migrations.CreateModel(
            name="MirrorReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64, unique=True)),
                ("said_at", models.DateTimeField()),
                ("lag_s", models.FloatField(default=0.0)),
                ("mending", models.IntegerField(default=0)),
                ("losses", models.BigIntegerField(default=0)),
                ("lost_at", models.DateTimeField(blank=True, null=True)),
                ("lost_queue", models.CharField(blank=True, max_length=512)),
                ("lost_why", models.CharField(blank=True, max_length=200)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="MirrorSize",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64, unique=True)),
                ("rows", models.BigIntegerField(default=0)),
                ("bytes", models.BigIntegerField(default=0)),
                ("removed", models.BigIntegerField(default=0)),
                ("measured_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("removed_at__isnull", False)), fields=["removed_at"], name="toril_job_removed"
            ),
        ),
    ]
