"""What Django's page of errors shows of the environment, in development."""

import re

from django.views.debug import SafeExceptionReporterFilter


class UrlsHidden(SafeExceptionReporterFilter):
    """Hides what Django hides, and addresses of servers: they can hold a password."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL$|DSN$|RESULT_BACKEND$",
        re.IGNORECASE,
    )
