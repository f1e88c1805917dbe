"""Makers of test rows."""

import factory
from factory.django import DjangoModelFactory

from openedx.models import OpenEdxUser
from users.factories import UserFactory


class OpenEdxUserFactory(DjangoModelFactory):
    """A learner's account on Open edX."""

    user = factory.SubFactory(UserFactory, openedx_user=None)
    edx_username = factory.Sequence(lambda n: f"edx-learner-{n}")
    has_been_synced = True

    class Meta:
        model = OpenEdxUser
