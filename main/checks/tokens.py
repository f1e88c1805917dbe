"""What a token can be."""


def is_sendable(token: str) -> bool:
    """Whether it can stand in an Authorization header as it is."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
