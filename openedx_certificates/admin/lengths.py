"""Lengths of time in few letters, for the admin's narrow columns."""

from datetime import timedelta


def length_in_words(length: timedelta) -> str:
    """Return how long that is, in its largest unit or two."""
    seconds = max(0, round(length.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return "1 day" if days == 1 else f"{days:,} days"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
