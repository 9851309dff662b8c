from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("toril", "0010_failures")]

    operations = []
