"""Why an event is refused."""


class InvalidEvent(Exception):
    """The body of an event is not what the webhook takes; the text names the fields."""


class EventTooLarge(Exception):
    """The body of an event is over the limit."""


class NotKnownHere(Exception):
    """The event is about a user or a course run that does not exist here."""
