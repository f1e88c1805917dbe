"""Makers of test rows. `UserFactory` makes the account on Open edX too, as registration does."""

import factory
from factory.django import DjangoModelFactory

from users.models import User


class UserFactory(DjangoModelFactory):
    """A learner with an account on Open edX; `openedx_user=None` makes one without."""

    username = factory.Sequence(lambda n: f"learner-{n}")
    email = factory.Sequence(lambda n: f"learner-{n}@example.com")
    # None by chance: a search for another's name must find that one alone.
    name = factory.Sequence(lambda n: f"Robin Number-{n}")
    is_active = True

    # By its path: users knows nothing of openedx.
    openedx_user = factory.RelatedFactory("openedx.factories.OpenEdxUserFactory", "user")

    class Meta:
        model = User
        skip_postgeneration_save = True
