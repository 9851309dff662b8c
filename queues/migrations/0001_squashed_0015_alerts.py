"""What 0001_initial to 0015_alerts made, in one step: for databases that have none of it (docs/upgrading.md)."""

import logging
import django.db.models.deletion
import queues.models.search
from django.conf import settings
from django.db import DatabaseError, migrations, models, transaction

log = logging.getLogger(__name__)

#: Every term is one token already: nothing but a space divides them, and nothing is folded a second time.
TOKENS = "unicode61 remove_diacritics 0 categories ''L* M* N* P* S* Cf Cn Co Cs''"
SQLITE = [
    "CREATE VIRTUAL TABLE toril_search_terms USING fts5(terms, content='toril_searchdocument',"
    f" content_rowid='place', detail=none, columnsize=0, tokenize='{TOKENS}')",
    "CREATE VIRTUAL TABLE toril_search_vocabulary USING fts5vocab(toril_search_terms, 'row')",
    "CREATE TRIGGER toril_search_terms_new AFTER INSERT ON toril_searchdocument BEGIN"
    " INSERT INTO toril_search_terms(rowid, terms) VALUES (new.place, new.terms); END",
    "CREATE TRIGGER toril_search_terms_gone AFTER DELETE ON toril_searchdocument BEGIN"
    " INSERT INTO toril_search_terms(toril_search_terms, rowid, terms) VALUES ('delete', old.place, old.terms); END",
    "CREATE VIRTUAL TABLE toril_search_grams USING fts5(job_id, name, error, content='toril_searchtext',"
    " content_rowid='job', detail=none, columnsize=0, tokenize='trigram')",
    "CREATE TRIGGER toril_search_grams_new AFTER INSERT ON toril_searchtext BEGIN"
    " INSERT INTO toril_search_grams(rowid, job_id, name, error) VALUES (new.job, new.job_id, new.name, new.error); END",
    "CREATE TRIGGER toril_search_grams_gone AFTER DELETE ON toril_searchtext BEGIN"
    " INSERT INTO toril_search_grams(toril_search_grams, rowid, job_id, name, error)"
    " VALUES ('delete', old.job, old.job_id, old.name, old.error); END",
]
SQLITE_BACK = [
    "DROP TABLE toril_search_vocabulary",
    "DROP TRIGGER toril_search_terms_new", "DROP TRIGGER toril_search_terms_gone", "DROP TABLE toril_search_terms",
    "DROP TRIGGER toril_search_grams_new", "DROP TRIGGER toril_search_grams_gone", "DROP TABLE toril_search_grams",
]
POSTGRESQL = ["CREATE INDEX toril_search_terms ON toril_searchdocument USING gin (terms)"]
POSTGRESQL_GRAMS = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX toril_search_grams ON toril_searchtext USING gin"
    " (job_id gin_trgm_ops, name gin_trgm_ops, error gin_trgm_ops)",
]


def index(apps, editor):
    _run(editor, SQLITE if editor.connection.vendor == "sqlite" else POSTGRESQL)
    if editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=editor.connection.alias):
            _run(editor, POSTGRESQL_GRAMS)
    except DatabaseError as error:
        # Only a superuser may, or the package is missing: everything but the speed of *within* is there without.
        log.warning("Searches for parts of words will be slow: pg_trgm cannot be made (%s).", str(error).strip())


def unindex(apps, editor):
    if editor.connection.vendor == "sqlite":
        _run(editor, SQLITE_BACK)


def _run(editor, statements):
    with editor.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class Migration(migrations.Migration):

    initial = True

    replaces = [
        ("toril", "0001_initial"),
        ("toril", "0002_jobs_in_process"),
        ("toril", "0003_rights"),
        ("toril", "0004_samples"),
        ("toril", "0005_schedulers"),
        ("toril", "0006_changes"),
        ("toril", "0007_mirror"),
        ("toril", "0008_attempts"),
        ("toril", "0009_search"),
        ("toril", "0010_failures"),
        ("toril", "0011_operations"),
        ("toril", "0012_history"),
        ("toril", "0013_credentials"),
        ("toril", "0014_webhooks"),
        ("toril", "0015_alerts"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertLook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64, unique=True)),
                ('at', models.DateTimeField()),
                ('took_ms', models.IntegerField(default=0)),
                ('silent_since', models.DateTimeField(blank=True, null=True)),
                ('unknown', models.TextField(default='{}')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('definition', models.TextField()),
                ('actor', models.CharField(max_length=150)),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ('name',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AlertSilence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.CharField(blank=True, max_length=120)),
                ('rule_name', models.CharField(blank=True, max_length=100)),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('until', models.DateTimeField(db_index=True)),
                ('reason', models.TextField()),
                ('actor', models.CharField(max_length=150)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('ended_by', models.CharField(blank=True, max_length=150)),
            ],
            options={
                'ordering': ('until',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Cursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('at', models.BigIntegerField(default=0)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.CharField(max_length=40, unique=True)),
                ('key', models.CharField(max_length=64)),
                ('kind', models.CharField(max_length=40)),
                ('connection', models.CharField(default='default', max_length=64)),
                ('queue', models.CharField(blank=True, max_length=512)),
                ('job_id', models.CharField(blank=True, max_length=1024)),
                ('job_name', models.CharField(blank=True, max_length=200)),
                ('body', models.TextField()),
                ('has_payload', models.BooleanField(default=False)),
                ('state', models.CharField(choices=[('waiting', 'waits'), ('sent', 'sent'), ('failed', 'given up')], default='waiting', max_length=10)),
                ('due_at', models.DateTimeField(blank=True, null=True)),
                ('tries', models.IntegerField(default=0)),
                ('round_tries', models.IntegerField(default=0)),
                ('made_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('status', models.IntegerField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'ordering': ('-pk',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Deploy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True)),
                ('label', models.CharField(max_length=100)),
                ('actor', models.CharField(blank=True, max_length=150)),
            ],
            options={
                'ordering': ('-at',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='FailureCause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64)),
                ('digest', models.CharField(max_length=32)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('kind', models.CharField(blank=True, max_length=120)),
                ('message', models.TextField(blank=True)),
                ('frame', models.CharField(blank=True, max_length=200)),
                ('kept', models.CharField(blank=True, max_length=40)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('holder', models.CharField(blank=True, max_length=128)),
                ('until', models.DateTimeField(blank=True, null=True)),
                ('epoch', models.BigIntegerField(default=0)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='MirrorReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64, unique=True)),
                ('said_at', models.DateTimeField()),
                ('lag_s', models.FloatField(default=0.0)),
                ('mending', models.IntegerField(default=0)),
                ('losses', models.BigIntegerField(default=0)),
                ('lost_at', models.DateTimeField(blank=True, null=True)),
                ('lost_queue', models.CharField(blank=True, max_length=512)),
                ('lost_why', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='MirrorSize',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('rows', models.BigIntegerField(default=0)),
                ('bytes', models.BigIntegerField(default=0)),
                ('removed', models.BigIntegerField(default=0)),
                ('measured_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SampleCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64, unique=True)),
                ('until', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SearchDocument',
            fields=[
                ('place', models.BigIntegerField(primary_key=True, serialize=False)),
                ('job', models.BigIntegerField(unique=True)),
                ('digest', models.BigIntegerField()),
                ('terms', queues.models.search.TermsField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SearchText',
            fields=[
                ('job', models.BigIntegerField(primary_key=True, serialize=False)),
                ('job_id', models.TextField(blank=True)),
                ('name', models.TextField(blank=True)),
                ('error', models.TextField(blank=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.CharField(max_length=120)),
                ('rule_name', models.CharField(max_length=100)),
                ('kind', models.CharField(max_length=24)),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(blank=True, max_length=512)),
                ('subject', models.CharField(blank=True, max_length=512)),
                ('digest', models.CharField(max_length=32)),
                ('phase', models.CharField(choices=[('pending', 'about to fire'), ('firing', 'firing'), ('cleared', 'cleared')], default='pending', max_length=10)),
                ('since', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('fired_at', models.DateTimeField(blank=True, null=True)),
                ('cleared_at', models.DateTimeField(blank=True, null=True)),
                ('value', models.FloatField(blank=True, null=True)),
                ('fired_value', models.FloatField(blank=True, null=True)),
                ('peak', models.FloatField(blank=True, null=True)),
                ('fires', models.FloatField()),
                ('clears', models.FloatField()),
                ('hold_s', models.IntegerField(default=0)),
                ('facts', models.TextField(default='{}')),
                ('blind_since', models.DateTimeField(blank=True, null=True)),
                ('blind_why', models.CharField(blank=True, max_length=200)),
                ('ended_by', models.CharField(blank=True, max_length=10)),
                ('to_tell', models.CharField(blank=True, max_length=10)),
                ('held', models.CharField(blank=True, max_length=16)),
                ('held_until', models.DateTimeField(blank=True, null=True)),
                ('told_at', models.DateTimeField(blank=True, null=True)),
                ('cleared_told_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-pk',),
                'default_permissions': (),
                'indexes': [models.Index(fields=['connection', 'phase', 'fired_at'], name='toril_alert_phase'), models.Index(fields=['connection', 'to_tell'], name='toril_alert_to_tell'), models.Index(fields=['digest', 'told_at'], name='toril_alert_digest')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('phase', 'cleared'), _negated=True), fields=('digest',), name='toril_alert_open')],
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('abilities', models.JSONField(default=list, verbose_name='abilities')),
                ('queues', models.JSONField(default=list, verbose_name='queues')),
                ('rate', models.PositiveIntegerField(blank=True, null=True, verbose_name='requests a minute')),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('made_by', models.CharField(max_length=150, verbose_name='made by')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='revoked')),
                ('used_at', models.DateTimeField(blank=True, null=True, verbose_name='last used')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'API key',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ApiSecret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(max_length=8, unique=True)),
                ('digest', models.CharField(max_length=64)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='toril.apikey')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('actor', models.CharField(max_length=150)),
                ('action', models.CharField(max_length=64)),
                ('connection', models.CharField(default='default', max_length=64)),
                ('queue', models.CharField(blank=True, max_length=512)),
                ('job_id', models.CharField(blank=True, max_length=1024)),
                ('parameters', models.TextField(blank=True)),
                ('outcome', models.CharField(choices=[('opened', 'outcome unknown'), ('done', 'done'), ('refused', 'refused'), ('failed', 'failed')], default='opened', max_length=10)),
                ('affected', models.BigIntegerField(default=0)),
                ('message', models.TextField(blank=True)),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'ordering': ('-at', '-pk'),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='DeliveryTry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('took_ms', models.IntegerField(default=0)),
                ('status', models.IntegerField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('answer', models.TextField(blank=True)),
                ('delivery', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='toril.delivery')),
            ],
            options={
                'ordering': ('pk',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('url', models.CharField(max_length=2048)),
                ('connection', models.CharField(default='default', max_length=64)),
                ('kinds', models.TextField(default='[]')),
                ('queues', models.TextField(default='[]')),
                ('names', models.TextField(default='[]')),
                ('data', models.TextField(default='{}')),
                ('with_payload', models.BooleanField(default=False)),
                ('secret', models.TextField()),
                ('former_secret', models.TextField(blank=True)),
                ('former_until', models.DateTimeField(blank=True, null=True)),
                ('maker_name', models.CharField(max_length=150)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('since', models.DateTimeField()),
                ('enabled', models.BooleanField(db_index=True, default=True)),
                ('why', models.CharField(blank=True, choices=[('', 'it is enabled'), ('person', 'somebody disabled it'), ('failing', 'it failed for too long'), ('gone', 'it answered 410: gone'), ('full', 'too much waited for it'), ('secret', 'its secret cannot be read')], default='', max_length=10)),
                ('disabled_at', models.DateTimeField(blank=True, null=True)),
                ('failing_since', models.DateTimeField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('succeeded_at', models.DateTimeField(blank=True, null=True)),
                ('held_until', models.DateTimeField(blank=True, null=True)),
                ('maker', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('name', 'pk'),
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='delivery',
            name='endpoint',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='toril.endpoint'),
        ),
        migrations.CreateModel(
            name='FailureCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('queue', models.CharField(max_length=512)),
                ('step_s', models.IntegerField()),
                ('at', models.BigIntegerField()),
                ('failed', models.BigIntegerField(default=0)),
                ('cause', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='toril.failurecause')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='FailureGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64)),
                ('status', models.CharField(choices=[('open', 'open'), ('regressed', 'regressed'), ('resolved', 'resolved'), ('ignored', 'ignored')], default='open', max_length=10)),
                ('status_ms', models.BigIntegerField(default=0)),
                ('status_by', models.CharField(blank=True, max_length=150)),
                ('last_ms', models.BigIntegerField(default=0)),
                ('moving', models.CharField(blank=True, max_length=48)),
                ('assignee', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('merged_into', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='toril.failuregroup')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='FailureEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('actor', models.CharField(blank=True, max_length=150)),
                ('kind', models.CharField(max_length=10)),
                ('text', models.TextField(blank=True)),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='toril.failuregroup')),
            ],
            options={
                'ordering': ('-pk',),
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='failurecause',
            name='group',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='causes', to='toril.failuregroup'),
        ),
        migrations.CreateModel(
            name='FailureSpot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('queue', models.CharField(max_length=512)),
                ('total', models.BigIntegerField(default=0)),
                ('first_ms', models.BigIntegerField()),
                ('last_ms', models.BigIntegerField()),
                ('cause', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='spots', to='toril.failurecause')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(default='default', max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('job_id', models.CharField(max_length=1024)),
                ('timestamp_ms', models.BigIntegerField(default=0)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('prioritized', 'Prioritized'), ('active', 'Active'), ('delayed', 'Delayed'), ('failed', 'Failed'), ('completed', 'Completed'), ('waiting-children', 'Waiting for children'), ('unknown', 'Unknown')], max_length=20)),
                ('name', models.TextField(blank=True)),
                ('data', models.TextField(blank=True)),
                ('opts', models.TextField(blank=True)),
                ('delay_ms', models.BigIntegerField(default=0)),
                ('priority', models.BigIntegerField(default=0)),
                ('processed_on_ms', models.BigIntegerField(blank=True, null=True)),
                ('finished_on_ms', models.BigIntegerField(blank=True, null=True)),
                ('attempts_started', models.BigIntegerField(default=0)),
                ('attempts_made', models.BigIntegerField(default=0)),
                ('stalled_count', models.BigIntegerField(default=0)),
                ('progress', models.TextField(blank=True)),
                ('return_value', models.TextField(blank=True)),
                ('failed_reason', models.TextField(blank=True)),
                ('stacktrace', models.TextField(blank=True)),
                ('parent_key', models.TextField(blank=True)),
                ('scheduler_id', models.TextField(blank=True)),
                ('deduplication_id', models.TextField(blank=True)),
                ('deferred_failure', models.TextField(blank=True)),
                ('processed_by', models.TextField(blank=True)),
                ('problems', models.TextField(blank=True)),
                ('runs', models.TextField(blank=True, db_default='', default='')),
                ('told_runs', models.TextField(blank=True, db_default='', default='')),
                ('synced_at', models.DateTimeField(blank=True, null=True)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
                ('change', models.BigIntegerField(default=0)),
                ('failure_group', models.BigIntegerField(blank=True, null=True)),
                ('failure_ms', models.BigIntegerField(blank=True, null=True)),
                ('failure_cause', models.BigIntegerField(blank=True, null=True)),
                ('rank', models.BigIntegerField(blank=True, null=True)),
                ('holder', models.CharField(blank=True, default='', max_length=32)),
            ],
            options={
                'ordering': ('-timestamp_ms',),
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('removed_at__isnull', True)), fields=['connection', 'queue', 'state', 'finished_on_ms'], name='toril_job_live_state'), models.Index(condition=models.Q(('removed_at__isnull', True)), fields=['connection', 'queue', 'job_id'], name='toril_job_live_id'), models.Index(fields=['change'], name='toril_job_change'), models.Index(condition=models.Q(('removed_at__isnull', False)), fields=['removed_at'], name='toril_job_removed'), models.Index(condition=models.Q(('failure_group__isnull', False)), fields=['failure_group', 'finished_on_ms'], name='toril_job_failure_group'), models.Index(condition=models.Q(('rank__isnull', False)), fields=['state', 'queue', 'priority', 'rank'], name='toril_job_local_order')],
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue', 'job_id', 'timestamp_ms'), name='toril_job_natural_key'), models.UniqueConstraint(condition=models.Q(('connection', 'in-process'), ('removed_at__isnull', True)), fields=('queue', 'job_id'), name='toril_job_local_id')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.BigIntegerField()),
                ('started_ms', models.BigIntegerField(blank=True, null=True)),
                ('ended_ms', models.BigIntegerField(blank=True, null=True)),
                ('worker', models.TextField(blank=True, default='')),
                ('outcome', models.CharField(blank=True, default='', max_length=10)),
                ('error', models.TextField(blank=True, default='')),
                ('row', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='toril.job')),
            ],
            options={
                'ordering': ('row', 'number'),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='KeptScheduler',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(default='default', max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('scheduler_id', models.CharField(max_length=1024)),
                ('why', models.CharField(choices=[('paused', 'paused'), ('removed', 'removed')], max_length=10)),
                ('definition', models.TextField()),
                ('redefined', models.TextField(blank=True)),
                ('actor', models.CharField(max_length=150)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(blank=True, null=True)),
                ('stays', models.BooleanField(default=True)),
                ('returned_at', models.DateTimeField(blank=True, null=True)),
                ('taken_out', models.BigIntegerField(default=0)),
                ('claim', models.CharField(blank=True, max_length=32)),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue', 'scheduler_id'), name='toril_kept_scheduler_natural_key')],
            },
        ),
        migrations.CreateModel(
            name='LogLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(blank=True)),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='log_lines', to='toril.job')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(max_length=20)),
                ('connection', models.CharField(default='default', max_length=64)),
                ('target', models.TextField()),
                ('reach', models.TextField(default='{}')),
                ('parameters', models.TextField(default='{}')),
                ('queues', models.TextField(default='[]')),
                ('reason', models.TextField(blank=True)),
                ('actor', models.CharField(max_length=150)),
                ('rate_per_s', models.FloatField(blank=True, null=True)),
                ('stop_percent', models.FloatField(blank=True, null=True)),
                ('phase', models.CharField(choices=[('running', 'running'), ('paused', 'paused'), ('done', 'done'), ('cancelled', 'cancelled')], db_index=True, default='running', max_length=10)),
                ('message', models.TextField(blank=True)),
                ('stopped_itself', models.BooleanField(default=False)),
                ('is_collected', models.BooleanField(default=False)),
                ('expected', models.BigIntegerField(default=0)),
                ('total', models.BigIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('moved', models.BigIntegerField(default=0)),
                ('stayed', models.BigIntegerField(default=0)),
                ('judged', models.BigIntegerField(default=0)),
                ('failed_again', models.BigIntegerField(default=0)),
                ('settled', models.BigIntegerField(default=0)),
                ('hand', models.BigIntegerField(default=0)),
                ('awaited', models.TextField(default='[]')),
                ('speed', models.FloatField(default=0)),
                ('keeps', models.BooleanField(default=False)),
                ('kept_jobs', models.BigIntegerField(default=0)),
                ('kept_bytes', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('turned_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('repeats', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='repetitions', to='toril.operation')),
                ('restores', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='restorations', to='toril.operation')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-pk',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='OperationItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.BigIntegerField()),
                ('queue', models.CharField(max_length=512)),
                ('job_id', models.CharField(max_length=1024)),
                ('key', models.BigIntegerField(db_index=True, default=0)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('prioritized', 'Prioritized'), ('active', 'Active'), ('delayed', 'Delayed'), ('failed', 'Failed'), ('completed', 'Completed'), ('waiting-children', 'Waiting for children'), ('unknown', 'Unknown')], max_length=20)),
                ('mark', models.BigIntegerField(default=0)),
                ('outcome', models.SmallIntegerField(choices=[(0, 'not yet'), (1, 'done'), (2, 'had moved on'), (3, 'stayed')], default=0)),
                ('note', models.TextField(blank=True, default='')),
                ('operation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='toril.operation')),
            ],
            options={
                'ordering': ('seq',),
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Queue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(default='default', max_length=64)),
                ('name', models.CharField(max_length=512)),
                ('is_paused', models.BooleanField(default=False)),
                ('waiting', models.BigIntegerField(default=0)),
                ('prioritized', models.BigIntegerField(default=0)),
                ('active', models.BigIntegerField(default=0)),
                ('delayed', models.BigIntegerField(default=0)),
                ('failed', models.BigIntegerField(default=0)),
                ('completed', models.BigIntegerField(default=0)),
                ('waiting_children', models.BigIntegerField(default=0)),
                ('concurrency', models.BigIntegerField(blank=True, null=True)),
                ('rate_limit_max', models.BigIntegerField(blank=True, null=True)),
                ('rate_limit_duration_ms', models.BigIntegerField(blank=True, null=True)),
                ('oldest_waiting_ms', models.BigIntegerField(blank=True, null=True)),
                ('version', models.CharField(blank=True, max_length=64)),
                ('cursor', models.CharField(blank=True, max_length=64)),
                ('synced_at', models.DateTimeField(blank=True, null=True)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('connection', 'name'),
                'permissions': (('view', 'Can see queues and jobs'), ('view_payload', 'Can read what jobs carry: data, results, logs, errors'), ('reveal_secrets', 'Can reveal masked secrets'), ('retry', 'Can retry, promote and recover jobs'), ('edit', 'Can edit jobs, their delay and priority'), ('add', 'Can add and duplicate jobs'), ('remove', 'Can remove, cancel and fail jobs'), ('pause', 'Can pause and resume queues'), ('clean', 'Can clean and empty queues'), ('obliterate', 'Can obliterate queues'), ('limits', 'Can change limits of queues'), ('schedulers', 'Can change and run schedulers'), ('workers', 'Can quiet, resume and stop workers'), ('triage', 'Can resolve, ignore, assign, split and merge groups of failures'), ('keys', 'Can make, rotate and revoke API keys of others and of services'), ('webhooks', 'Can see, change and test webhooks, and redeliver what they sent'), ('alerts', 'Can change, silence and test alerts'), ('view_audit', 'Can read who did what')),
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('connection', 'name'), name='toril_queue_natural_key')],
            },
        ),
        migrations.CreateModel(
            name='QueueTold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(max_length=512)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue'), name='toril_queue_told')],
            },
        ),
        migrations.CreateModel(
            name='SearchWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=8)),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('text', models.CharField(max_length=200)),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['kind', 'text'], name='toril_search_word_text')],
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue', 'kind', 'text'), name='toril_search_word_key')],
            },
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('name', models.CharField(blank=True, max_length=120)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue', 'name'), name='toril_series_natural_key')],
            },
        ),
        migrations.CreateModel(
            name='Sample',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step_s', models.IntegerField()),
                ('at', models.BigIntegerField()),
                ('source', models.CharField(blank=True, max_length=1)),
                ('recorded', models.IntegerField(default=0)),
                ('completed', models.BigIntegerField(default=0)),
                ('failed', models.BigIntegerField(default=0)),
                ('retried', models.BigIntegerField(default=0)),
                ('run', models.BinaryField(default=b'')),
                ('wait', models.BinaryField(default=b'')),
                ('waiting', models.BigIntegerField(blank=True, null=True)),
                ('delayed', models.BigIntegerField(blank=True, null=True)),
                ('oldest_ms', models.BigIntegerField(blank=True, null=True)),
                ('series', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='toril.series')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Stall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('connection', models.CharField(max_length=64)),
                ('queue', models.CharField(max_length=512)),
                ('at', models.BigIntegerField(db_index=True)),
                ('count', models.BigIntegerField(default=0)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('connection', 'queue', 'at'), name='toril_stall_key')],
            },
        ),
        migrations.CreateModel(
            name='StoredJobs',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('jobs', models.IntegerField()),
                ('body', models.BinaryField()),
                ('size', models.BigIntegerField()),
                ('until', models.DateTimeField(db_index=True)),
                ('operation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='stored', to='toril.operation')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AlertNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.CharField(max_length=120)),
                ('kind', models.CharField(choices=[('fired', 'fired'), ('cleared', 'cleared')], max_length=10)),
                ('channel', models.CharField(max_length=64)),
                ('title', models.TextField()),
                ('text', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('tries', models.IntegerField(default=0)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('answer', models.TextField(blank=True)),
                ('alerts', models.ManyToManyField(related_name='notices', to='toril.alert')),
            ],
            options={
                'ordering': ('pk',),
                'default_permissions': (),
                'indexes': [models.Index(fields=['rule', 'kind', 'made_at'], name='toril_alert_notice_rule')],
            },
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at__isnull', True)), fields=('owner', 'name'), name='toril_key_name'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(condition=models.Q(('owner__isnull', True), ('revoked_at__isnull', True)), fields=('name',), name='toril_key_service'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['connection', 'queue', 'action', '-at'], name='toril_audit_target'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['connection', 'queue', 'job_id'], name='toril_audit_job'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['endpoint', 'due_at'], name='toril_delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['endpoint', 'state', '-id'], name='toril_delivery_list'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('endpoint', 'key'), name='toril_delivery_key'),
        ),
        migrations.AddIndex(
            model_name='failurecount',
            index=models.Index(fields=['step_s', 'at'], name='toril_failure_count_at'),
        ),
        migrations.AddConstraint(
            model_name='failurecount',
            constraint=models.UniqueConstraint(fields=('cause', 'step_s', 'at', 'queue'), name='toril_failure_count_key'),
        ),
        migrations.AddIndex(
            model_name='failuregroup',
            index=models.Index(fields=['connection', 'last_ms'], name='toril_failure_group_last'),
        ),
        migrations.AddIndex(
            model_name='failuregroup',
            index=models.Index(condition=models.Q(('moving', ''), _negated=True), fields=['id'], name='toril_failure_group_moving'),
        ),
        migrations.AddIndex(
            model_name='failurecause',
            index=models.Index(fields=['connection', 'name'], name='toril_failure_cause_name'),
        ),
        migrations.AddConstraint(
            model_name='failurecause',
            constraint=models.UniqueConstraint(fields=('connection', 'digest'), name='toril_failure_cause_key'),
        ),
        migrations.AddConstraint(
            model_name='failurespot',
            constraint=models.UniqueConstraint(fields=('cause', 'queue'), name='toril_failure_spot_key'),
        ),
        migrations.AddIndex(
            model_name='operationitem',
            index=models.Index(condition=models.Q(('outcome__gt', 1)), fields=['operation', 'outcome', 'seq'], name='toril_operation_left'),
        ),
        migrations.AddConstraint(
            model_name='operationitem',
            constraint=models.UniqueConstraint(fields=('operation', 'seq'), name='toril_operation_item'),
        ),
        migrations.AddConstraint(
            model_name='sample',
            constraint=models.UniqueConstraint(fields=('series', 'step_s', 'at'), name='toril_sample_natural_key'),
        ),
        migrations.AddConstraint(
            model_name='storedjobs',
            constraint=models.UniqueConstraint(fields=('operation', 'first'), name='toril_stored_jobs'),
        ),
        migrations.RunPython(index, unindex),
    ]
