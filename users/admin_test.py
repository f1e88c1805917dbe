"""What a support person can do with accounts, and what they can't break."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from openedx_certificates.admin.support import FOUND_MAX
from users.factories import UserFactory
from users.models import User

USERS = reverse("admin:users_user_changelist")
ADD_USER = reverse("admin:users_user_add")
PASSWORD = "correct horse battery staple"


def page_of(user: User) -> str:
    return reverse("admin:users_user_change", args=[user.pk])


def save_page(client: Client, user: User, **fields: object):
    """Send the user's page, with nothing in the tables that other apps add to it."""
    page = page_of(user)
    tables = [table.formset.prefix for table in client.get(page).context["inline_admin_formsets"]]
    empty = {f"{table}-{count}_FORMS": 0 for table in tables for count in ("TOTAL", "INITIAL")}
    return client.post(page, {**empty, **fields})


def found(client: Client, search: str) -> list[str]:
    response = client.get(USERS, {"q": search})
    return [user.username for user in response.context["cl"].result_list]


@pytest.fixture
def support_person(staff_user: User) -> User:
    """Staff with the permissions to view, add and change users, and no superuser."""
    staff_user.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    return staff_user


@pytest.fixture
def support_client(client: Client, support_person: User) -> Client:
    client.force_login(support_person)
    return client


@pytest.mark.parametrize(
    "search",
    [
        "Anna@Example.com",
        "  ANNA@EXAMPLE.COM ",
        "anna@ex",
        "ANN",
        "anna-of-mitx",
        "anna-of",
        "edx_anna",
        "edx_",
        "anna anna@example.com",
        "Somebody <anna@example.com>,",
        "\u200banna@example.com;",
        "Anna Maria",
        "díaz, ANNA",
        "(o'bri",
        "smi",
        "anna@example.com course-v1:MITx+6.00x+1T2026",
    ],
)
def test_a_learner_is_found_by_address_username_or_name(admin_client, search):
    UserFactory.create(
        username="anna-of-mitx",
        email="anna@example.com",
        name="Anna Maria Díaz-Smith (O'Brien)",
        openedx_user__edx_username="edx_anna",
    )
    UserFactory.create(username="edxbert", email="bert@example.com", name="Bert")

    assert found(admin_client, search) == ["anna-of-mitx"]


@pytest.mark.parametrize(
    "search",
    [
        "example.com",
        "%",
        "_nna",
        "anna bert",
        "nna",
        ".*",
        "m\u0131ke@example.com",
        "course-v1:MITx+6.00x+1T2026",
        ", ;",
    ],
)
def test_other_words_find_nobody(admin_client, search):
    for name in ("anna", "bert", "mike"):
        UserFactory.create(username=name, email=f"{name}@example.com", name=name)

    assert found(admin_client, search) == []


def test_a_whole_address_means_its_owner_alone(admin_client):
    UserFactory.create(username="anna", email="anna@example.co")
    UserFactory.create(username="anna2", email="anna@example.com")

    assert found(admin_client, "anna@example.co") == ["anna"]


def test_a_whole_address_is_not_the_start_of_another_username(admin_client):
    UserFactory.create(username="anna", email="anna@example.co")
    UserFactory.create(username="anna@example.com", email="other@example.com")

    assert found(admin_client, "Anna <anna@example.co>") == ["anna"]


@pytest.mark.parametrize("form", [str, str.upper, lambda text: text.replace("-", "")])
def test_a_uuid_can_be_a_username(admin_client, form):
    username = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    UserFactory.create(username=username)
    UserFactory.create()

    assert found(admin_client, form(username)) == [username]


def test_of_a_name_that_very_many_have_the_newest_are_found(admin_client):
    many = [
        User(username=f"anna-{n}", email=f"anna-{n}@example.com", name="Anna Smith")
        for n in range(FOUND_MAX + 1)
    ]
    User.objects.bulk_create(many)

    listed = admin_client.get(USERS, {"q": "smith anna"}).context["cl"]

    assert listed.result_count == FOUND_MAX
    assert listed.result_list[0].username == f"anna-{FOUND_MAX}"
    assert not listed.queryset.filter(username="anna-0").exists()


def test_a_user_page_shows_the_username_on_open_edx(admin_client):
    anna = UserFactory.create(openedx_user__edx_username="edx_anna")

    assert b"edx_anna" in admin_client.get(page_of(anna)).content


def test_a_new_user_can_log_in_with_the_password(admin_client, client):
    response = admin_client.post(
        ADD_USER,
        {
            "username": "anna",
            "email": " Anna@example.com ",
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )

    assert response.status_code == 302
    assert User.objects.get(username="anna").email == "Anna@example.com"
    assert client.login(username="anna", password=PASSWORD)


def test_a_new_user_may_have_no_password(admin_client):
    admin_client.post(
        ADD_USER, {"username": "anna", "email": "anna@example.com", "usable_password": "false"}
    )

    assert not User.objects.get(username="anna").has_usable_password()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"email": "BERT@example.com"}, "A user with this e-mail address exists."),
        ({"username": "bert"}, "User with this Username already exists."),
        ({"email": "no address"}, "Enter a valid email address."),
        ({"password2": "another"}, "The two password fields didn\u2019t match."),
        ({"password1": "12345", "password2": "12345"}, "This password is entirely numeric."),
    ],
    ids=["address_in_use", "username_in_use", "no_address", "mismatch", "weak_password"],
)
def test_what_is_wrong_with_a_new_user_is_told_in_the_form(admin_client, wrong, message):
    UserFactory.create(username="bert", email="bert@example.com")
    right = {
        "username": "anna",
        "email": "anna@example.com",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }

    response = admin_client.post(ADD_USER, {**right, **wrong})

    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert message in [text for texts in errors.values() for text in texts]
    assert not User.objects.filter(username="anna").exists()


def test_an_address_in_use_is_refused_whatever_its_case(admin_client):
    anna = UserFactory.create(email="anna@example.com")
    UserFactory.create(email="bert@example.com")

    response = save_page(admin_client, anna, email="Bert@Example.com")

    assert b"A user with this e-mail address exists." in response.content
    anna.refresh_from_db()
    assert anna.email == "anna@example.com"


def test_an_account_is_switched_off_and_keeps_its_username(admin_client):
    anna = UserFactory.create(username="anna")

    response = save_page(admin_client, anna, email=anna.email, username="berta")

    assert response.status_code == 302
    anna.refresh_from_db()
    assert (anna.username, anna.is_active) == ("anna", False)


def test_an_administrator_sets_a_new_password(admin_client, client):
    anna = UserFactory.create(username="anna")
    page = reverse("admin:auth_user_password_change", args=[anna.pk])

    assert admin_client.get(page).status_code == 200
    admin_client.post(
        page, {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    )

    assert client.login(username="anna", password=PASSWORD)


def test_a_support_person_can_not_give_permissions(support_client, support_person):
    anna = UserFactory.create()

    save_page(
        support_client,
        anna,
        email=anna.email,
        name="Anna",
        is_staff="on",
        is_superuser="on",
        user_permissions=[support_person.user_permissions.all()[0].pk],
    )

    anna.refresh_from_db()
    assert anna.name == "Anna"
    assert not anna.is_staff
    assert not anna.is_superuser
    assert not anna.user_permissions.exists()


@pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
def test_a_support_person_can_not_take_over_an_account_of_staff(support_client, flag):
    colleague = UserFactory.create(**{flag: True})
    password_page = reverse("admin:auth_user_password_change", args=[colleague.pk])

    assert support_client.get(page_of(colleague)).status_code == 200
    assert support_client.post(page_of(colleague), {"email": "me@mit.edu"}).status_code == 403
    assert support_client.post(password_page, {"password1": PASSWORD}).status_code == 403


def test_a_support_person_helps_a_learner(support_client):
    anna = UserFactory.create()

    response = save_page(support_client, anna, email="new@example.com", is_active="on")

    assert response.status_code == 302
    anna.refresh_from_db()
    assert anna.email == "new@example.com"


def test_a_support_person_makes_an_account_for_a_learner(support_client):
    assert support_client.get(ADD_USER).status_code == 200

    support_client.post(
        ADD_USER,
        {
            "username": "anna",
            "email": "anna@example.com",
            "usable_password": "false",
            "is_staff": "on",
        },
    )

    assert not User.objects.get(username="anna").is_staff
