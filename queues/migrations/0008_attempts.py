import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("toril", "0007_mirror")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="runs",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="job",
            name="told_runs",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField()),
                ("started_ms", models.BigIntegerField(blank=True, null=True)),
                ("ended_ms", models.BigIntegerField(blank=True, null=True)),
                ("worker", models.TextField(blank=True, default="")),
                ("outcome", models.CharField(blank=True, default="", max_length=10)),
                ("error", models.TextField(blank=True, default="")),
                (
                    "row",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="toril.job",
                    ),
                ),
            ],
            options={"ordering": ("row", "number"), "default_permissions": ()},
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["connection", "queue", "job_id"],
                name="toril_audit_job",
            ),
        ),
    ]
