"""What can go wrong with Open edX, in our words."""

from typing import ClassVar


class OpenEdxError(Exception):
    """Open edX could not tell what it was asked.

    `code` is the reason in one word, for logs and counts. `retryable` says whether asking again
    can help by itself; if it can't, a person must act.
    """

    code: ClassVar[str] = "openedx_error"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        #: Seconds Open edX asks us to wait before the next question, None if it does not say.
        self.retry_after = retry_after


class OpenEdxUnreachable(OpenEdxError):
    """No answer: the connection failed, or Open edX (or a proxy before it) answered with a 5xx."""

    code = "unreachable"


class OpenEdxTimeout(OpenEdxUnreachable):
    """No answer in the time a question may take."""

    code = "timeout"


class OpenEdxRefused(OpenEdxError):
    """A 401 or 403, of Open edX itself or of a firewall or proxy before it.

    Open edX's own means that our token is bad or expired, or that its user has no staff rights.
    """

    code = "refused"
    retryable = False


class OpenEdxThrottled(OpenEdxError):
    """We ask too often (429)."""

    code = "throttled"


class OpenEdxNotFound(OpenEdxError):
    """Open edX does not know the learner, the course or the enrollment (404)."""

    code = "not_found"
    retryable = False

    def __init__(self, message: str, *, error_code: str | None) -> None:
        super().__init__(message)
        #: Open edX's own word, such as `user_not_enrolled`; None if the answer had none.
        self.error_code = error_code


class OpenEdxNonsense(OpenEdxError):
    """The answer is not what the grades API promises: not JSON, or of another shape."""

    code = "nonsense"


class UnusableGrade(OpenEdxError):
    """Open edX answered, and there is no grade of this learner in it that we can use."""

    code = "unusable_grade"


class NoEdxUsername(OpenEdxError):
    """The learner has no username on Open edX here, so there is nothing to ask for."""

    code = "no_edx_username"
    retryable = False


class CannotAsk(Exception):
    """We lack what it takes to ask: file descriptors, memory, a bundle of certificates.

    Not an OpenEdxError: Open edX may well be up. The text holds no values.
    """
