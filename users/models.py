"""The users of the site: learners and staff."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Lower

from users.base_models import TimestampedModel

EMAIL_MAX_LENGTH = 254


class UserManager(BaseUserManager["User"]):
    """Makes users, and finds them the way the database tells them apart."""

    def create_user(
        self, username: str, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Return a new user; without a password it can't log in by one."""
        user = self.model(username=username, email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, username: str, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Return a new user with every permission."""
        return self.create_user(
            username, email, password, **{**fields, "is_staff": True, "is_superuser": True}
        )

    def find_by_email(self, email: str) -> "User | None":
        """Return the user with this address, None if there is none.

        Both sides go through the database's LOWER(): that is what the unique index holds, so one
        row at most can match, and the index is used. Python's rules for case differ, and `iexact`
        is UPPER(), under which a dotless i is an i.
        """
        return (
            self.annotate(email_lower=Lower("email"))
            .filter(email_lower=Lower(Value(email.strip())))
            .first()
        )


class User(TimestampedModel, AbstractBaseUser, PermissionsMixin):
    """A learner, or a member of staff."""

    username = models.CharField(max_length=500, unique=True)
    email = models.EmailField(max_length=EMAIL_MAX_LENGTH)
    name = models.CharField(max_length=255, blank=True, default="")
    global_id = models.CharField(
        max_length=36,
        blank=True,
        default="",
        help_text="The identity shared by MIT Open Learning's sites.",
    )
    is_staff = models.BooleanField(default=False, help_text="May use the admin and the webhooks.")
    is_active = models.BooleanField(
        default=True, help_text="Unset it instead of deleting the account: its tokens stop working."
    )

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email", "name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="users_user_email_lower_unique",
                violation_error_message="A user with this e-mail address exists.",
            )
        ]
        # Each scrape asks for the tokens of the staff, a few among a million.
        indexes = [models.Index(fields=["id"], name="users_user_staff", condition=Q(is_staff=True))]

    def __str__(self) -> str:
        return self.username

    @property
    def edx_username(self) -> str | None:
        """The learner's name on Open edX, None if there is no account there yet."""
        return next(
            (account.edx_username for account in self.openedx_users.all() if account.edx_username),
            None,
        )

    def get_full_name(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        return self.username
