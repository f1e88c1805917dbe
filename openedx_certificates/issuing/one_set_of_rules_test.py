"""A page and a question about one learner come to the same, however learners stand."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade, CourseRunGradeAudit
from openedx_certificates.issuing.fetching import GradePage
from openedx_certificates.issuing.learner import issue_for_grade
from openedx_certificates.issuing.pages import apply_page, settle_kept
from openedx_certificates.models import CertificateRequest, CourseRunCertificateDeletion, ZeroNote
from openedx_certificates.rules import Terms
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import certify
from openedx_certificates.wire.grades import EdxGrade
from users.models import User

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
PERCENTS = st.sampled_from([0.0, 0.3, 0.9])
STANDINGS = st.fixed_dictionaries(
    {
        "grade": st.none()
        | st.fixed_dictionaries(
            {"grade": PERCENTS, "passed": st.booleans(), "set_by_admin": st.booleans()}
        ),
        "certificate": st.none()
        | st.fixed_dictionaries(
            {
                "is_revoked": st.booleans(),
                "zero_reported": st.sampled_from([None, timedelta(hours=2), timedelta(hours=21)]),
            }
        ),
        "enrollment": st.none()
        | st.fixed_dictionaries(
            {"enrollment_mode": st.sampled_from(["verified", "audit"]), "active": st.booleans()}
        ),
        "has_request": st.booleans(),
        "reported": st.fixed_dictionaries({"percent": PERCENTS, "passed": st.booleans()}),
    }
)


def put(standing: dict[str, Any], learner: User, run: CourseRun) -> None:
    """Let the learner stand like this in the run."""
    if standing["grade"]:
        CourseRunGradeFactory.create(user=learner, course_run=run, **standing["grade"])
    if standing["certificate"]:
        reported = standing["certificate"]["zero_reported"]
        certify(
            learner,
            run,
            is_revoked=standing["certificate"]["is_revoked"],
            zero_reported_on=reported and timezone.now() - reported,
        )
    if standing["enrollment"]:
        CourseRunEnrollmentFactory.create(user=learner, run=run, **standing["enrollment"])
    if standing["has_request"]:
        CertificateRequestFactory.create(user=learner, course_run=run)


def report(standing: dict[str, Any], run: CourseRun) -> EdxGrade:
    return EdxGrade("name", run.courseware_id, letter_grade="B", **standing["reported"])


def rows_of(run: CourseRun) -> list[object]:
    """Everything that is stored of the run's learners, but the moments."""
    audits = CourseRunGradeAudit.objects.filter(course_run_grade__course_run=run)
    certificates = CourseRunCertificate.all_objects.filter(course_run=run)
    return [
        sorted(
            CourseRunGrade.objects.filter(course_run=run).values_list(
                "user", "grade", "passed", "letter_grade", "set_by_admin"
            )
        ),
        sorted(
            (audit.course_run_grade.user_id, audit.data_before["grade"], audit.data_after["grade"])
            for audit in audits
        ),
        sorted(
            (
                certificate.user_id,
                certificate.is_revoked,
                ZeroNote.objects.filter(certificate_uuid=certificate.uuid).exists(),
            )
            for certificate in certificates
        ),
        sorted(
            (record.user_id, record.reason, record.grade["grade"])
            for record in CourseRunCertificateDeletion.objects.filter(course_run=run)
        ),
        sorted(CertificateRequest.objects.filter(course_run=run).values_list("user", "status")),
    ]


class OneSetOfRules(TestCase):
    @settings(
        max_examples=EXAMPLES or 30,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        standings=st.lists(STANDINGS, min_size=2, max_size=8),
        is_due=st.booleans(),
        may_delete=st.booleans(),
    )
    def test_a_page_comes_to_what_each_alone_comes_to(
        self, standings: list[dict[str, Any]], is_due: bool, may_delete: bool
    ):
        learners = [UserFactory.create() for _ in standings]
        together, alone = CourseRunFactory.create(), CourseRunFactory.create()
        for learner, standing in zip(learners, standings, strict=True):
            put(standing, learner, together)
            put(standing, learner, alone)
        pairs = list(zip(learners, standings, strict=True))

        of_the_page = apply_page(
            GradePage([(report(standing, together), user.pk) for user, standing in pairs], []),
            together,
            is_due=is_due,
            may_delete=may_delete,
        )
        settle_kept(together, of_the_page)
        terms = Terms(is_due=is_due, may_delete=may_delete)
        of_each = {
            user.pk: issue_for_grade(user.pk, alone, report(standing, alone), terms)
            for user, standing in pairs
        }

        assert {result.user: (result.grade, result.certificate) for result in of_the_page} == {
            user: (verdict.grade, verdict.certificate) for user, verdict in of_each.items()
        }
        assert rows_of(together) == rows_of(alone)
