"""What 0001_initial to 0005_sign_in made, in one step: for databases that have none of it (docs/upgrading.md)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    replaces = [
        ("toril_dashboard", "0001_initial"),
        ("toril_dashboard", "0002_rights"),
        ("toril_dashboard", "0003_views"),
        ("toril_dashboard", "0004_api"),
        ("toril_dashboard", "0005_sign_in"),
    ]

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('fingerprint', models.CharField(max_length=64)),
                ('begun_at', models.DateTimeField()),
                ('until', models.DateTimeField(db_index=True)),
                ('status', models.SmallIntegerField(blank=True, null=True)),
                ('body', models.TextField(blank=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='OutsideAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.CharField(max_length=255)),
                ('subject', models.CharField(max_length=255)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('issuer', 'subject'), name='toril_outside_account')],
            },
        ),
        migrations.CreateModel(
            name='QueueGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(default='*', help_text='A name; * stands for any.', max_length=64, verbose_name='connection')),
                ('queue', models.CharField(help_text='A name; * stands for any text, ? for one character: mails-*', max_length=512, verbose_name='queue')),
                ('abilities', models.JSONField(default=list, verbose_name='abilities')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='auth.group', verbose_name='group')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'grant on queues',
                'verbose_name_plural': 'grants on queues',
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('group__isnull', True), ('user__isnull', False)), models.Q(('group__isnull', False), ('user__isnull', True)), _connector='OR'), name='toril_grant_one_holder', violation_error_message='Name a user or a group, one of the two.')],
            },
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('query', models.TextField(verbose_name='query')),
                ('is_shared', models.BooleanField(default=False, verbose_name='shared')),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('is_shared', True)), fields=['name'], name='toril_view_shared')],
                'constraints': [models.UniqueConstraint(fields=('owner', 'name'), name='toril_view_name')],
            },
        ),
    ]
