"""Queue and name of the samples stand in a table of their own, and quarters of a day and days are kept beside the hours:
of what was recorded before, they are added up from these.
"""

from itertools import groupby

import django.db.models.deletion
from django.db import migrations, models

from queues import histogram

HOUR_S, LONGER_S = 3_600, (21_600, 86_400)
COUNTED = ("recorded", "completed", "failed", "retried")
LARGEST = ("waiting", "delayed", "oldest_ms")
ROWS = 500


def part(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        # A table whose checks are put off cannot be altered in the same transaction.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    Sample, Series = apps.get_model("toril", "Sample"), apps.get_model("toril", "Series")
    places = Sample.objects.order_by().values_list("connection", "queue", "name").distinct()
    for connection, queue, name in list(places):
        series = Series.objects.create(connection=connection, queue=queue, name=name)
        Sample.objects.filter(connection=connection, queue=queue, name=name).update(series=series)


def join(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    Sample, Series = apps.get_model("toril", "Sample"), apps.get_model("toril", "Series")
    for series in Series.objects.all():
        rows = Sample.objects.filter(series=series)
        rows.update(connection=series.connection, queue=series.queue, name=series.name)


def add_up(apps, schema_editor):
    Sample = apps.get_model("toril", "Sample")
    hours = Sample.objects.filter(step_s=HOUR_S).order_by("series", "at")
    for step_s in LONGER_S:
        made = []
        for (series, at), rows in groupby(hours, lambda row: (row.series_id, row.at // step_s * step_s)):
            made.append(_sum(Sample(series_id=series, step_s=step_s, at=at), list(rows)))
        Sample.objects.bulk_create(made, batch_size=ROWS)


def _sum(longer, rows):
    longer.source = max(row.source for row in rows)
    for field in COUNTED:
        setattr(longer, field, sum(getattr(row, field) for row in rows))
    for field in LARGEST:
        setattr(longer, field, max((v for row in rows if (v := getattr(row, field)) is not None), default=None))
    for field in ("run", "wait"):
        whole = {}
        for row in rows:
            histogram.merge(whole, histogram.unpack(getattr(row, field)))
        setattr(longer, field, histogram.pack(whole))
    return longer


def forget(apps, schema_editor):
    apps.get_model("toril", "Sample").objects.filter(step_s__in=LONGER_S).delete()


class Migration(migrations.Migration):
    dependencies = [("toril", "0011_operations")]

    operations = [
        migrations.CreateModel(
            name="Series",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(max_length=512)),
                ("name", models.CharField(blank=True, max_length=120)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            "series",
            models.UniqueConstraint(fields=("connection", "queue", "name"), name="toril_series_natural_key"),
        ),
        migrations.AddField(
            "sample",
            "series",
            models.ForeignKey(
                null=True, db_index=False, on_delete=django.db.models.deletion.CASCADE, to="toril.series"
            ),
        ),
        migrations.RemoveConstraint("sample", "toril_sample_natural_key"),
        migrations.RemoveIndex("sample", "toril_sample_wholes"),
        # Only while it is led back are they empty for a moment.
        migrations.AlterField("sample", "connection", models.CharField(max_length=64, default="")),
        migrations.AlterField("sample", "queue", models.CharField(max_length=512, default="")),
        migrations.RunPython(part, join),
        migrations.AlterField(
            "sample",
            "series",
            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="toril.series"),
        ),
        migrations.RemoveField("sample", "connection"),
        migrations.RemoveField("sample", "queue"),
        migrations.RemoveField("sample", "name"),
        migrations.AddConstraint(
            "sample",
            models.UniqueConstraint(fields=("series", "step_s", "at"), name="toril_sample_natural_key"),
        ),
        migrations.RunPython(add_up, forget),
    ]
