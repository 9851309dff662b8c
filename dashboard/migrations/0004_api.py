from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("toril_dashboard", "0003_views")]

    operations = [
        migrations.CreateModel(
            name="ApiAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64, unique=True)),
                ("fingerprint", models.CharField(max_length=64)),
                ("begun_at", models.DateTimeField()),
                ("until", models.DateTimeField(db_index=True)),
                ("status", models.SmallIntegerField(blank=True, null=True)),
                ("body", models.TextField(blank=True)),
            ],
            options={"default_permissions": ()},
        ),
    ]
