"""Revoking a certificate, giving it back, and finding one."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courses.factories import CourseRunCertificateFactory, CourseRunFactory
from courses.models import CourseRunCertificate
from openedx_certificates.testing.factories import CourseRunCertificateDeletionFactory
from users.factories import UserFactory
from users.models import User

CERTIFICATES = reverse("admin:courses_courseruncertificate_changelist")
DELETIONS = reverse("admin:openedx_certificates_courseruncertificatedeletion_changelist")


def act(client, action: str, *certificates: CourseRunCertificate) -> list[str]:
    """Do the list's action with these certificates, and return the messages."""
    selected = [certificate.pk for certificate in certificates]
    response = client.post(CERTIFICATES, {"action": action, "_selected_action": selected})
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize(
    ("action", "before", "after", "done"),
    [("revoke", False, True, "Revoked"), ("give_back", True, False, "Gave back")],
)
def test_a_certificate_is_revoked_and_given_back(
    admin_client, admin_user, action, before, after, done
):
    certificate = CourseRunCertificateFactory.create(
        user__email="anna@example.com",
        course_run__courseware_id="course-v1:MITx+6.00x+1T2026",
        is_revoked=before,
    )
    other = CourseRunCertificateFactory.create(is_revoked=before)

    said = act(admin_client, action, certificate)

    assert said == [f"{done} the certificate of anna@example.com in course-v1:MITx+6.00x+1T2026."]
    uuid = certificate.uuid
    certificate.refresh_from_db()
    other.refresh_from_db()
    assert (certificate.is_revoked, other.is_revoked, certificate.uuid) == (after, before, uuid)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (
        admin_user,
        str(certificate.pk),
        f"{done}.",
    )


@pytest.mark.parametrize(
    ("action", "is_revoked", "state"), [("revoke", True, "revoked"), ("give_back", False, "valid")]
)
def test_there_is_nothing_to_do_where_it_is_so_already(admin_client, action, is_revoked, state):
    certificate = CourseRunCertificateFactory.create(is_revoked=is_revoked)

    said = act(admin_client, action, certificate)

    assert said == [f"Nothing to do: all of them are {state} already."]
    assert not LogEntry.objects.exists()


def test_many_are_revoked_in_as_many_statements_as_two(admin_client):
    run = CourseRunFactory.create()
    learners = UserFactory.create_batch(2)
    learners += User.objects.bulk_create(
        User(username=f"many-{n}", email=f"many-{n}@example.com") for n in range(1_500)
    )
    many = CourseRunCertificate.all_objects.bulk_create(
        CourseRunCertificate(user=learner, course_run=run) for learner in learners
    )
    action = {"action": "revoke", "_selected_action": [each.pk for each in many[:2]]}

    with CaptureQueriesContext(connection) as of_two:
        admin_client.post(CERTIFICATES, action)
    with CaptureQueriesContext(connection) as of_all:
        reply = admin_client.post(CERTIFICATES, {**action, "select_across": "1"})

    assert [str(message) for message in get_messages(reply.wsgi_request)][-1] == (
        f"Revoked the certificate of many-0@example.com in {run.courseware_id}, and 1,499 more."
    )
    assert not CourseRunCertificate.all_objects.filter(is_revoked=False).exists()
    assert LogEntry.objects.count() == len(many)
    assert len(of_all) <= len(of_two)


def test_who_may_only_view_certificates_can_not_revoke_one(client, staff_user):
    certificate = CourseRunCertificateFactory.create()
    staff_user.user_permissions.add(Permission.objects.get(codename="view_courseruncertificate"))
    client.force_login(staff_user)

    act(client, "revoke", certificate)

    certificate.refresh_from_db()
    assert not certificate.is_revoked


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "valid"),
        ({"is_revoked": True}, "revoked"),
        ({"issue_date": timezone.now() + timedelta(days=1)}, "not issued yet"),
        ({"issue_date": None}, "not issued yet"),
    ],
    ids=["valid", "revoked", "later", "no_date"],
)
def test_the_list_shows_the_state_and_the_link(admin_client, fields, state):
    certificate = CourseRunCertificateFactory.create(**fields)

    shown = admin_client.get(CERTIFICATES).content.decode()

    assert f'<td class="field-state">{state}</td>' in shown
    assert f'<a href="{certificate.link}">{certificate.link}</a>' in shown


def test_a_certificate_and_the_record_of_a_deleted_one_are_found_by_uuid(admin_client):
    certificate = CourseRunCertificateFactory.create()
    CourseRunCertificateFactory.create()
    record = CourseRunCertificateDeletionFactory.create()
    CourseRunCertificateDeletionFactory.create()

    for url, uuid, row in (
        (CERTIFICATES, certificate.uuid, certificate),
        (DELETIONS, record.certificate_uuid, record),
    ):
        response = admin_client.get(url, {"q": str(uuid)})
        assert list(response.context["cl"].result_list) == [row]
