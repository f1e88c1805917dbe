"""Every setting, read from the environment once and on this page only.

`docs/settings.md` says what each variable means. With DEBUG off nothing has a default that would be
unsafe: what is missing is named at start.
"""

import warnings
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

import openedx_certificates
from main import logs, metric_files
from main.database.configuration import configure as configure_databases
from main.environment import Environment, read_crontab

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", default=False)


def required(name: str, *, in_development: str) -> str:
    """Return a variable that production must set and development may leave out.

    Raises ImproperlyConfigured if DEBUG is off and the variable is missing or empty.
    """
    value = env.str(name, default=in_development if DEBUG else "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, or DEBUG=True for development only."
        )
    return value


SECRET_KEY = required("SECRET_KEY", in_development="django-insecure-for-development-only")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else []
)

# The address of the public pages, for links that are printed and shared; empty: as they were asked.
SITE_BASE_URL = env.str("SITE_BASE_URL", default="").rstrip("/")

# --- Open edX -----------------------------------------------------------------------------------

OPENEDX_API_BASE_URL = required("OPENEDX_API_BASE_URL", in_development="http://127.0.0.1:18000")
OPENEDX_SERVICE_WORKER_API_TOKEN = required(
    "OPENEDX_SERVICE_WORKER_API_TOKEN", in_development="development-service-worker-token"
)

# --- Certificates: the app's settings, most of them from the environment --------------------------

# How much of the work is the app's; here it is all of it.
OPENEDX_CERTIFICATES_MODE = env.str("OPENEDX_CERTIFICATES_MODE", default="all")
# Seconds for one question as a whole, its retries included. The plugin waits for 30.
OPENEDX_CERTIFICATES_TIMEOUT = env.float("EDX_API_CLIENT_TIMEOUT", default=10.0)
OPENEDX_CERTIFICATES_PAGE_SIZE = env.int("EDX_API_PAGE_SIZE", default=100)
# Whether the webhook leaves the question to Open edX to a worker, and answers at once.
OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = env.bool("CERTIFICATE_WEBHOOK_ASYNC", default=False)
# What the token of a webhook's caller must be good for; with blanks or commas between.
OPENEDX_CERTIFICATES_REQUIRED_SCOPES = (
    env.str("OPENEDX_WEBHOOK_REQUIRED_SCOPES", default="").replace(",", " ").split()
)
# A sweep that would delete more certificates of a run, and over 2 % of them, deletes none.
OPENEDX_CERTIFICATES_DELETIONS_MAX = env.int("CERTIFICATE_DELETIONS_MAX", default=5)
OPENEDX_CERTIFICATES_RETENTION_IN_DAYS = env.int(
    "CERTIFICATE_REQUEST_RETENTION_IN_DAYS", default=90
)
# How many wrong tokens one address may send in a minute; 0: any number.
OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = env.int("FAILED_TOKENS_MAX", default=100)
# The keys that sign credentials, each a secret or the path of a file with one; the first one signs.
OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[])
OPENEDX_CERTIFICATES_CREDENTIAL_SITE = SITE_BASE_URL
# Whether a credential has a hash of the learner's address.
OPENEDX_CERTIFICATES_CREDENTIAL_EMAIL_HASH = env.bool("CREDENTIAL_EMAIL_HASH", default=False)
# Sweeps wait in a queue of their own: a held request that is due does not wait behind hundreds.
OPENEDX_CERTIFICATES_SWEEP_QUEUE = "sweeps"

# The host's own rule of which runs are swept, and when.
CERTIFICATE_CREATION_WINDOW_IN_DAYS = env.int("CERTIFICATE_CREATION_WINDOW_IN_DAYS", default=31)
CRON_COURSE_CERTIFICATES_HOURS = env.str("CRON_COURSE_CERTIFICATES_HOURS", default="*")
CRON_COURSE_CERTIFICATES_DAYS = env.str("CRON_COURSE_CERTIFICATES_DAYS", default="*")

# --- Celery -------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
# Without a broker a task runs in its caller's process.
CELERY_TASK_ALWAYS_EAGER = env.bool("CELERY_TASK_ALWAYS_EAGER", default=not CELERY_BROKER_URL)
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Seconds. A broker that hangs is given up, and asked again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 5, "socket_timeout": 30}
CELERY_TIMEZONE = "UTC"
# A worker takes from both in turn, and no more than it has processes for.
CELERY_TASK_QUEUES = [Queue("celery"), Queue(OPENEDX_CERTIFICATES_SWEEP_QUEUE)]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A message that is no task, or a broker that is full or read-only, ends no worker.
CELERY_WORKER_CONSUMER = "main.worker_consumer:TaskConsumer"
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# No message expires: the worker's clock would judge that by beat's, and a pass that finds nothing to do
# costs a few statements.
CELERY_BEAT_SCHEDULE = {
    "generate-course-certificates": {
        "task": "courses.tasks.generate_course_certificates",
        "schedule": read_crontab(
            {
                "hour": "CRON_COURSE_CERTIFICATES_HOURS",
                "day_of_week": "CRON_COURSE_CERTIFICATES_DAYS",
            },
            minute="0",
            hour=CRON_COURSE_CERTIFICATES_HOURS,
            day_of_week=CRON_COURSE_CERTIFICATES_DAYS,
        ),
        "options": {"queue": OPENEDX_CERTIFICATES_SWEEP_QUEUE},
    },
}

# --- Database -----------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="")
# Connections of one process, at most.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=10)
# Seconds. Less than a webhook waits for the database: a locked row concerns one learner alone.
DATABASE_LOCK_TIMEOUT = 1.0
# Whether the URL is PgBouncer's, in whatever mode: see docs/pgbouncer.md.
DATABASE_BEHIND_PGBOUNCER = env.bool("DATABASE_BEHIND_PGBOUNCER", default=False)
if not DATABASE_URL:
    raise ImproperlyConfigured(
        "DATABASE_URL is not set. Set it to a PostgreSQL server, "
        "such as postgres://user:password@host:5432/mitxonline."
    )
DATABASES = configure_databases(
    env,
    DATABASE_URL,
    pool_size=DATABASE_POOL_SIZE,
    lock_timeout=DATABASE_LOCK_TIMEOUT,
    behind_pgbouncer=DATABASE_BEHIND_PGBOUNCER,
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "users",
    "cms",
    "openedx",
    "courses",
    "openedx_certificates",
    "openedx_certificates.credentials",
    "main",
]
MIDDLEWARE = [
    # The first, so that every answer has its line in the log.
    "main.middleware.request_log.RequestLogMiddleware",
    # Before all that answers by itself: a static file and a refusal have the headers too.
    "main.middleware.headers.HeadersMiddleware",
    "main.middleware.headers.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "main.middleware.monitoring.MonitoringMiddleware",
    "main.middleware.bodies.BodiesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "main.middleware.bad_input.BadInputMiddleware",
    "main.middleware.database_failures.DatabaseFailuresMiddleware",
    "main.middleware.database_failures.SessionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "main.middleware.passwords.PasswordsMiddleware",
]
# Django's page of errors, in development, has the environment, and anybody can ask for one.
DEFAULT_EXCEPTION_REPORTER_FILTER = "main.error_pages.PasswordsHidden"
ROOT_URLCONF = "main.urls"
WSGI_APPLICATION = "main.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# The files are found in the packages too, so a missing STATIC_ROOT is nothing to warn of.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", message="No directory at")
WHITENOISE_AUTOREFRESH = DEBUG

# TLS ends at the proxy in front, which sets X-Forwarded-Proto itself and drops a caller's own.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
OPENEDX_CERTIFICATES_REQUIRE_HTTPS = SECURE_SSL_REDIRECT
# The webhooks refuse plain HTTP by themselves.
SECURE_REDIRECT_EXEMPT = [r"^api/openedx_webhook/(certificate|enrollment)/?$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# Not Strict: a user coming from another site to agree to something of OAuth2 is still logged in.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Nothing inline, nothing from elsewhere. A page that needs more says so at its view, by
# django-csp's decorators.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# How many proxies of our own stand in front and write X-Forwarded-For; by 0 none is believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
# How many wrong passwords one address may send in a minute; 0: any number.
FAILED_LOGINS_MAX = env.int("FAILED_LOGINS_MAX", default=10)
# In the process's own memory. It holds those counts alone; the least used goes first.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# --- The API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "openedx_certificates.webhooks.errors.reply_to_exception",
    "NUM_PROXIES": TRUSTED_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MITx Online certificates",
    "VERSION": openedx_certificates.__version__,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    # Swagger UI comes with the site: the page works if nothing else can be reached.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
OAUTH2_PROVIDER: dict[str, Any] = {
    "SCOPES": {
        "read": "Read",
        "write": "Write",
        "webhooks": "Send the events of Open edX to the webhooks",
    },
    # A token for the webhooks is asked for by name.
    "DEFAULT_SCOPES": ["read", "write"],
    "ACCESS_TOKEN_EXPIRE_SECONDS": 36_000,
    # In place of the toolkit's own, which can't make a token.
    "ACCESS_TOKEN_ADMIN_CLASS": "openedx_certificates.admin.token.AccessTokenAdmin",
    # RFC 9700, which the toolkit will follow by itself from its version 4 on.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    # Tokens are stored as hashes: a stolen backup opens nothing.
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
}

# --- Metrics -------------------------------------------------------------------------------------

# A reader of /metrics shows it; without one there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# A folder that all processes of the site share. Without one each tells of what it counted itself.
METRICS_DIR = env.str("METRICS_DIR", default="")
if METRICS_DIR:
    metric_files.share(METRICS_DIR)

# --- Logs ---------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logs.LEVELS:
    raise ImproperlyConfigured(f"LOG_LEVEL is none of {', '.join(logs.LEVELS)}.")
LOGGING = logs.configuration(LOG_LEVEL, debug=DEBUG)
