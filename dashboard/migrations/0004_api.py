from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("toril_dashboard", "0003_views")]

    operations = []
