"""A host that is not ours: the app over the host's models, with what every host of this kind has."""

import environ

SECRET_KEY = "only-for-the-tests"  # noqa: S105 - it guards nothing
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_tests.bare_host.urls"
DATABASES = {"default": environ.Env().db("DATABASE_URL")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "users.User"
USE_TZ = True
INSTALLED_APPS = [
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"),
    *("django.contrib.sessions", "django.contrib.messages"),
    *("oauth2_provider", "rest_framework", "drf_spectacular"),
    *("users", "cms", "openedx", "courses", "openedx_certificates"),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
OPENEDX_API_BASE_URL = environ.Env().str("OPENEDX_API_BASE_URL")
OPENEDX_SERVICE_WORKER_API_TOKEN = environ.Env().str("OPENEDX_SERVICE_WORKER_API_TOKEN")
OPENEDX_CERTIFICATES_MODE = environ.Env().str("OPENEDX_CERTIFICATES_MODE")
CERTIFICATE_CREATION_WINDOW_IN_DAYS = 31
CELERY_TASK_ALWAYS_EAGER = True
