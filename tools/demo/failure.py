"""How the demo says that it can't go on."""


class DemoFailed(Exception):
    """The demo can't go on, or saw what it did not expect; the text says what, and the place to look."""
