from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("toril", "0013_credentials")]

    operations = []
