"""Bytes as text, as keys and signatures are written: multibase, in base58 of Bitcoin's alphabet."""

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58 = "z"


def encode(data: bytes) -> str:
    """Return the bytes in base58, with multibase's letter before them."""
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, place = divmod(number, 58)
        letters = _ALPHABET[place] + letters
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _BASE58 + _ALPHABET[0] * zeros + letters


def decode(text: str) -> bytes:
    """Return the bytes. Raises ValueError if the text is not multibase in base58."""
    letters = text.removeprefix(_BASE58)
    if letters == text:
        raise ValueError("not multibase in base58")
    number = 0
    for letter in letters:
        # `index` raises ValueError for a letter that is none of them.
        number = number * 58 + _ALPHABET.index(letter)
    zeros = len(letters) - len(letters.lstrip(_ALPHABET[0]))
    return bytes(zeros) + number.to_bytes(-(-number.bit_length() // 8), "big")
