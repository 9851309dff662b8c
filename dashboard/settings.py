"""Django's settings, from the environment, `.env.local` and `.env`, in that order of precedence.

A bad value stops the start with one sentence that names its variable (`ConfigurationError`).
"""

from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from locale import locale_alias
from pathlib import Path
from typing import Any

from django import VERSION

from dashboard import environment, logs, telling
from queues import options

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRON = environment.read_environment(BASE_DIR)
VAR_DIR = environment.var_folder(ENVIRON, BASE_DIR)

DEBUG = environment.flag(ENVIRON, "DEBUG", False)
SECRET_KEY = environment.secret_key(ENVIRON, VAR_DIR)
#: Keys before this one: what they signed or sealed is still good, nothing new is.
SECRET_KEY_FALLBACKS = environment.words(ENVIRON, "SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = environment.allowed_hosts(ENVIRON)
#: True where a proxy speaks https to browsers and sets X-Forwarded-Proto; believed only then.
HTTPS = environment.flag(ENVIRON, "HTTPS", False)
#: Whose X-Forwarded-… is believed; unset, with HTTPS, that of private networks.
TRUSTED_PROXIES = environment.networks(ENVIRON, "TRUSTED_PROXIES", "unix")

# --- Toril ---
#: The embedded server's address, written by `bin/up`; used where no REDIS_* is set.
REDIS_URL_FILE = VAR_DIR / "redis-url"
#: False: jobs run in the processes that add them, and there is no Redis.
USE_JOB_QUEUE = environment.flag(ENVIRON, "USE_JOB_QUEUE", True)
IS_EMBEDDED = USE_JOB_QUEUE and not options.redis_configured(ENVIRON) and REDIS_URL_FILE.exists()
#: Sample queues and processors: never on a team's own Redis unless it is asked for (they would run its real jobs).
DEMO = environment.flag(ENVIRON, "TORIL_DEMO", IS_EMBEDDED)
#: Your queues: {"chat": {"concurrency": 5, "attempts": 3, "backoff": {"type": "exponential", "delay": 1000}}}.
QUEUES: dict[str, Any] = {}
#: How programs hear of jobs (docs/live.md).
LIVE: dict[str, Any] = {}
if DEMO and find_spec("queues.systems.settings"):
    QUEUES |= import_module("queues.systems.settings").QUEUES
    LIVE |= import_module("queues.systems.settings").LIVE

TORIL = {
    "CONNECTIONS": options.redis_connections(ENVIRON, REDIS_URL_FILE),
    # <QUEUE>_QUEUE_CONCURRENCY, <QUEUE>_RATE_LIMIT_PER_MINUTE and the like; also of queues that are not named here.
    "QUEUES": options.queue_overrides(QUEUES, ENVIRON),
    "VARIABLES": options.queue_variables(ENVIRON),
    "LIVE": LIVE,
    # Tokens that another program signs: JWT_ISSUER and its companions (docs/credentials.md).
    "CREDENTIALS": environment.tokens(ENVIRON),
    "USE_JOB_QUEUE": USE_JOB_QUEUE,
    # Which code runs here: a version or a commit; the workers page points out who runs another.
    "RELEASE": ENVIRON.get("TORIL_VERSION", "").strip(),
    "READ_ONLY": environment.flag(ENVIRON, "READ_ONLY", False),
    # Servers inside that webhooks may go to (docs/webhooks.md).
    "WEBHOOKS": {"ALLOW": environment.words(ENVIRON, "WEBHOOK_ALLOW")},
    # Who reads figures without a credential (docs/monitoring.md).
    "METRICS": {"NETWORKS": environment.words(ENVIRON, "METRICS_NETWORKS")},
    "PUBLIC_COUNTS": environment.flag(ENVIRON, "PUBLIC_COUNTS", False),
    # Whom rules tell: ALERT_MAIL_TO, ALERT_SLACK_URL (docs/alerts.md).
    "ALERTS": telling.alerts(ENVIRON),
}

#: Functions with Django's `@task` are run by the workers too (docs/tasks.md).
TASKS = {"default": {"BACKEND": "queues.tasks.TorilBackend"}}

# --- Django ---
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Before staticfiles, whose runserver serves no sockets.
    "dashboard.apps.DashboardConfig",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    *(["django_tasks"] if VERSION < (6, 0) else []),
    "axes",
    "queues.apps.QueuesConfig",
    *(["queues.systems", "dashboard.systems"] if DEMO else []),
]
# Each is asynchronous to the core: Django's own chain enters a thread sixteen times per request, this one once.
MIDDLEWARE = [
    "dashboard.headers.headers",
    "dashboard.compression.compression",
    "dashboard.raw_path.raw_path",
    "dashboard.assets.Assets",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.errors.Errors",
    "dashboard.access.Access",
    "dashboard.forms.Forms",
]
SILENCED_SYSTEM_CHECKS = [
    # `dashboard.access` and `dashboard.forms` do the work of these three …
    "admin.E408",
    "admin.E409",
    "admin.E410",
    # … and `dashboard.headers` and `dashboard.forms` that of SecurityMiddleware, XFrameOptions and CsrfView.
    "security.W001",
    "security.W002",
    "security.W003",
    # The page of sign-in itself says that too many have failed.
    "axes.W002",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.dashboard",
            ],
        },
    }
]
DATABASES = {"default": environment.database(ENVIRON, BASE_DIR, VAR_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: Where a proxy serves this site below another's root: `ROOT_PATH=/toril`.
FORCE_SCRIPT_NAME = environment.root_path(ENVIRON)
STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "dashboard.assets.Versioned"},
}
#: Where `collectstatic` put them, in an image: nothing is searched for and compressed at each start then.
STATIC_ROOT = ENVIRON.get("STATIC_ROOT", "").strip() or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_ALLOW_ALL_ORIGINS = False

#: Sign-in by an OpenID provider, and by a proxy that has asked people itself (docs/security.md).
OIDC = environment.provider(ENVIRON)
PROXY_SIGN_IN = environment.proxy_sign_in(ENVIRON)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    *(["dashboard.sign_in.by_proxy.Vouched"] if PROXY_SIGN_IN else []),
]
#: Guessing is slowed (`dashboard.sign_in.attempts` has the limits); nothing that was typed is kept.
AXES_HANDLER = "dashboard.sign_in.attempts.Attempts"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username", "ip_address"]
AXES_FAILURE_LIMIT = 1
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "dashboard.sign_in.attempts.account"
AXES_CLIENT_IP_CALLABLE = "dashboard.sign_in.attempts.place"
AXES_SENSITIVE_PARAMETERS = ["username", "next", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG, AXES_ENABLE_ADMIN, AXES_VERBOSE = True, False, False
LOGIN_URL = "sign-in"
LOGOUT_REDIRECT_URL = "sign-in"
# Names of our own: cookies know no ports, and another Django on this host would sign people out. With https the browser
# holds them to this host and path alone (`__Host-`).
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (f"{'__Host-' if HTTPS else ''}toril_{name}" for name in ("session", "csrf"))
SESSION_COOKIE_AGE = environment.minutes(ENVIRON, "SESSION_MINUTES", 12 * 60) or 12 * 3600
#: Nothing done for so long, in seconds, ends a session; 0: nothing does.
SESSION_IDLE_S = environment.minutes(ENVIRON, "SESSION_IDLE_MINUTES", 30)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_AGE = None
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = environment.words(ENVIRON, "CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
#: Forms are small: a larger one gets a page that says so, a much larger body is cut off while it arrives.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
REQUEST_BODY_MAX = 2_000_000
# Long, not one of the twenty thousand that are tried first, and not the person's own name; of whatever characters.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "dashboard.sign_in.passwords.ContextWords"},
]

USE_TZ = True
TIME_ZONE = "UTC"
#: The site's language, not the viewer's: what is pushed and kept is shared by all who look.
LANGUAGE_CODE = ENVIRON.get("LANGUAGE_CODE", "").strip().lower() or "en"
# gettext takes English for American, where nothing else is said; the texts are written in British English.
locale_alias["en"] = "en_GB.ISO8859-1"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "dashboard" / "locale"]

globals().update(telling.mail(ENVIRON))

LOGGING = logs.django_logging(
    environment.choice(ENVIRON, "LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
    environment.choice(ENVIRON, "LOG_FORMAT", ("text", "json")),
)
