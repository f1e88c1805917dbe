"""The index of a run's enrollments by their last change, in place of the one by run alone.

Made while the table is in use: enrollments are as many as learners are, and webhooks write to them.
"""

import django.db.models.deletion
from django.db import migrations, models

from courses.concurrent_indexes import RepeatableAddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("courses", "0003_sweeps")]

    operations = [
        RepeatableAddIndexConcurrently(
            model_name="courserunenrollment",
            index=models.Index(fields=["run", "updated_on"], name="courses_enrollment_run_updated"),
        ),
        migrations.AlterField(
            model_name="courserunenrollment",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="enrollments",
                to="courses.courserun",
            ),
        ),
    ]
