"""A user's names, and how one is found by an address."""

import pytest
from django.db import IntegrityError

from openedx.factories import OpenEdxUserFactory
from openedx_certificates.masking import mask_email
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db


class TestFindByEmail:
    @pytest.mark.parametrize(
        "email", ["dana@example.com", "DANA@EXAMPLE.COM", " Dana@Example.com  "]
    )
    def test_case_and_the_blanks_around_do_not_matter(self, email: str):
        dana = UserFactory.create(email="Dana@example.com")

        assert User.objects.find_by_email(email) == dana

    @pytest.mark.parametrize("email", ["", "dana", "dana@example.co", "dan_@example.com", "%"])
    def test_nobody_else_is_found(self, email: str):
        UserFactory.create(email="dana@example.com")

        assert User.objects.find_by_email(email) is None

    def test_a_dotless_i_is_another_letter(self):
        mike = UserFactory.create(email="mike@example.com")
        dotless = UserFactory.create(email="m\u0131ke@example.com")

        assert User.objects.find_by_email("MIKE@example.com") == mike
        assert User.objects.find_by_email("m\u0131ke@example.com") == dotless


def test_two_users_can_not_have_one_address_in_another_case():
    UserFactory.create(email="dana@example.com")

    with pytest.raises(IntegrityError, match="users_user_email_lower_unique"):
        UserFactory.create(email="DANA@example.com")


def test_a_user_made_without_a_password_can_not_log_in_by_one():
    dana = User.objects.create_user("dana", " dana@example.com ")

    assert dana.email == "dana@example.com"
    assert not dana.has_usable_password()
    assert (dana.get_full_name(), dana.get_short_name()) == ("dana", "dana")


def test_a_superuser_is_staff_and_logs_in_by_the_password():
    admin = User.objects.create_superuser("admin", "admin@example.com", "correct horse")

    assert admin.is_staff
    assert admin.is_superuser
    assert admin.check_password("correct horse")


class TestEdxUsername:
    def test_it_is_that_of_the_account_there(self):
        dana = UserFactory.create(openedx_user__edx_username="dana.edx")

        assert dana.edx_username == "dana.edx"

    def test_without_an_account_there_is_none(self):
        assert UserFactory.create(openedx_user=None).edx_username is None

    def test_an_account_whose_name_is_not_known_yet_has_none(self):
        dana = OpenEdxUserFactory.create(edx_username=None).user

        assert dana.edx_username is None


class TestMaskedEmail:
    def test_it_shows_the_domain_and_a_hash_that_is_the_same_each_time(self):
        masked = mask_email("Dana@Example.com ")

        assert masked == mask_email("dana@example.com")
        assert masked.startswith("example.com#")
        assert "dana" not in masked
        assert masked != mask_email("dany@example.com")

    @pytest.mark.parametrize("email", ["dana", "dana@", "dana@exam ple.com", "dana@\ud800", "@-"])
    def test_what_is_no_domain_is_not_shown(self, email: str):
        assert mask_email(email).startswith("no-domain#")

    def test_the_hash_needs_our_key(self, settings):
        masked = mask_email("dana@example.com")

        settings.SECRET_KEY = "another"

        assert mask_email("dana@example.com") != masked
