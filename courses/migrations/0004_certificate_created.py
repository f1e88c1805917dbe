"""Finds the certificates of a day without a look at all of them.

Made while the table is in use: certificates are as many as learners are, and webhooks write to them.
"""

from django.db import migrations, models

from courses.concurrent_indexes import RepeatableAddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("courses", "0003_sweeps")]

    operations = [
        RepeatableAddIndexConcurrently(
            model_name="courseruncertificate",
            index=models.Index(fields=["created_on"], name="courses_certificate_created"),
        ),
    ]
