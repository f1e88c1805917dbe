"""Keeps why the last question failed, for the staff's page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("courses", "0005_certificate_created")]

    operations = [
        migrations.AddField(
            model_name="openedxpause",
            name="last_error_text",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Why the last of them failed.",
                max_length=255,
            ),
        ),
    ]
