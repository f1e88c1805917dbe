"""What Django's page of errors shows of the environment, in development."""

import re
from typing import Any, Final

from django.views.debug import SafeExceptionReporterFilter

_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class PasswordsHidden(SafeExceptionReporterFilter):
    """Hides what Django hides by its name, and what stands before the host in any address."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return the value without a password."""
        cleansed = super().cleanse_setting(key, value)
        if isinstance(cleansed, str):
            return _PASSWORD_IN_ADDRESS.sub(self.cleansed_substitute, cleansed)
        return cleansed
