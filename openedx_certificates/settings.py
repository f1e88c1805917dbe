"""The app's settings, each with its default; the host's settings module sets `OPENEDX_CERTIFICATES_<NAME>`."""

from enum import StrEnum
from typing import Any, Final, Generic, TypeVar, overload

from django.conf import settings

Value = TypeVar("Value")
PREFIX: Final = "OPENEDX_CERTIFICATES_"


class Mode(StrEnum):
    """How much of the work is the app's. Each mode does what the one before it does, and more."""

    #: The host's own view and sweep do all of it.
    OFF = "off"
    #: Events are held and answered 202; the host's own sweep issues the certificates.
    HOLD = "hold"
    #: Held requests are worked on.
    WEBHOOK = "webhook"
    #: The periodic sweep is the app's, too.
    ALL = "all"


class _Setting(Generic[Value]):
    """Reads the host's value at each use, so that tests can set another."""

    def __init__(self, default: Value) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{PREFIX}{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> "_Setting[Value]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else getattr(settings, self.name, self.default)


class AppSettings:
    """What the app reads. Nothing else of the host's settings is read but Open edX's two.

    Those are OPENEDX_API_BASE_URL and OPENEDX_SERVICE_WORKER_API_TOKEN.
    """

    MODE = _Setting[str](Mode.OFF)
    #: Seconds for one question to Open edX, its retries included. The plugin waits for 30.
    TIMEOUT = _Setting(10.0)
    #: Learners on a page of grades.
    PAGE_SIZE = _Setting(100)
    #: Whether the webhook leaves the question to a worker, and answers at once.
    WEBHOOK_ASYNC = _Setting(False)
    #: What the token of a webhook's caller must be good for.
    REQUIRED_SCOPES = _Setting[list[str]]([])
    #: Wrong tokens that one address may send in a minute; 0 for any number.
    FAILED_TOKENS_MAX = _Setting(100)
    #: Whether the webhooks refuse plain HTTP.
    REQUIRE_HTTPS = _Setting(False)
    #: A sweep that would delete more certificates of a run than this and DELETIONS_MAX_PERCENT
    #: deletes none.
    DELETIONS_MAX = _Setting(5)
    #: Days for which a settled request is kept.
    RETENTION_IN_DAYS = _Setting(90)
    #: The queue in which sweeps wait for a worker; None for Celery's default queue.
    SWEEP_QUEUE = _Setting[str | None](None)

    #: The keys that sign credentials, each a secret or the path of a file with one. The first signs.
    CREDENTIAL_KEYS = _Setting[list[str]]([])
    #: The address of the site that verifiers ask, such as https://certificates.example.org
    CREDENTIAL_SITE = _Setting("")
    CREDENTIAL_ISSUER_NAME = _Setting("MITx Online")
    #: Whether a credential has a hash of the learner's address, so that a wallet knows its holder.
    CREDENTIAL_EMAIL_HASH = _Setting(False)

    # What hardly anybody changes, and tests do.
    DELETIONS_MAX_PERCENT = _Setting(2.0)
    #: Seconds before a failed page is asked for again; doubles at each further try.
    PAGE_RETRY_DELAY = _Setting(1.0)
    #: Seconds to wait after each "not passed" before Open edX is asked again.
    NOT_PASSED_DELAYS = _Setting([10.0, 60.0, 600.0])
    #: Questions that fail in a row before all wait for a probe to succeed.
    PAUSE_AFTER_FAILURES = _Setting(10)
    #: Seconds until a request is free again after its worker has died.
    REQUEST_LEASE = _Setting(120.0)
    #: Seconds until a run is free again after its sweep has died.
    SWEEP_LEASE = _Setting(120.0)
    #: Webhooks of one process that may wait for Open edX at once; the others are left to a worker.
    WEBHOOK_WAITING_MAX = _Setting(32)

    @property
    def mode(self) -> Mode:
        """The mode. Raises ValueError if it is none."""
        return Mode(self.MODE)

    @property
    def holds_events(self) -> bool:
        """Whether the webhook is the app's."""
        return self.mode is not Mode.OFF

    @property
    def works_on_events(self) -> bool:
        """Whether held requests are worked on."""
        return self.mode in (Mode.WEBHOOK, Mode.ALL)

    @property
    def sweeps(self) -> bool:
        """Whether the periodic sweep is the app's."""
        return self.mode is Mode.ALL


app_settings: Final = AppSettings()
