from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("toril", "0014_webhooks")]

    operations = []
