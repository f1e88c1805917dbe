"""A learner's name as everybody may see it."""

import re
import unicodedata

from openedx_certificates.blank_signs import BLANK_SIGNS

# A name that holds an address is none: some learners have put theirs there.
_ADDRESS = re.compile(r"\S@\S")


def get_public_name(name: str) -> str:
    """Return the name as it is shown; empty if it holds an address, or nothing that can be seen."""
    if _ADDRESS.search(name) or not any(_is_visible(sign) for sign in name):
        return ""
    return " ".join(name.split())


def _is_visible(sign: str) -> bool:
    """Whether the character leaves ink on the page by itself.

    Unicode's letters, numbers, punctuation and symbols do. A mark needs a letter to stand on; spaces,
    controls (those of direction too), joiners, tags, private and unassigned characters show nothing.
    """
    return unicodedata.category(sign)[0] in "LNPS" and sign not in BLANK_SIGNS
