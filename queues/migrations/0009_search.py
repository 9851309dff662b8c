import logging

import queues.models.search
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
    dependencies = [("toril", "0008_attempts")]

    operations = [
        migrations.CreateModel(
            name="SearchDocument",
            fields=[
                ("place", models.BigIntegerField(primary_key=True, serialize=False)),
                ("job", models.BigIntegerField(unique=True)),
                ("digest", models.BigIntegerField()),
                ("terms", queues.models.search.TermsField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="SearchText",
            fields=[
                ("job", models.BigIntegerField(primary_key=True, serialize=False)),
                ("job_id", models.TextField(blank=True)),
                ("name", models.TextField(blank=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="SearchWord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=8)),
                ("connection", models.CharField(max_length=64)),
                ("queue", models.CharField(max_length=512)),
                ("text", models.CharField(max_length=200)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["kind", "text"], name="toril_search_word_text")],
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "queue", "kind", "text"), name="toril_search_word_key")
                ],
            },
        ),
        migrations.RunPython(index, unindex),
    ]
