"""Characters that Unicode takes for letters or symbols, and that leave the page blank."""

from typing import Final

# The Hangul fillers (the first four), Braille's empty cell, the object replacement character and the
# musical null notehead. Other invisible characters are told by their category.
BLANK_SIGNS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffc\U0001d159")
