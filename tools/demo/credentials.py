"""The callers of the demo and their tokens."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """The administrator, and two tokens: the webhook takes the service user's, not a learner's."""

    admin_username: str
    admin_password: str = ""
    webhook_token: str = ""
    learner_token: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)
