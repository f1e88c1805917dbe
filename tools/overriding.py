"""How a program that the tools and tests start gets settings for which there is no variable."""

import json


def overriding(**settings: object) -> dict[str, str]:
    """Return the environment in which `tools.overridden_settings` has these settings."""
    return {
        "DJANGO_SETTINGS_MODULE": "tools.overridden_settings",
        "SETTINGS": json.dumps(settings),
    }
