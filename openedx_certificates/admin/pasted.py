"""What a support person pastes into a search of the admin, told apart; it is looked up elsewhere."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

from openedx_certificates.blank_signs import BLANK_SIGNS

# More is no search: a whole mail, say, of which each word would be another look at the database.
PARTS_MAX = 20
# The longest there is to find is a username.
PART_MAX_LENGTH = 500

_ENCODED = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_BETWEEN = re.compile(r'[\s,;|"“”„«»<>()\[\]{}]+')
# Inside of a name the joiners of some scripts and an apostrophe mean something.
_AROUND = "'\u2018\u2019\u201a`\u00b4*.:!?…\u200c\u200d\u034f\ufe0e\ufe0f"
_KEPT_FORMATS = "\u200c\u200d"
# Not if it is the beginning of an e-mail address.
_UUID = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?![0-9a-z]|[\w.+-]*@)",
    re.IGNORECASE,
)
# Also within the address of a page; the second is the form of old runs, such as MITx/6.00x/2012.
_COURSE_ID = re.compile(r"[a-z]+-v1:[^/?#&]+|^[\w.~-]+/[\w.~-]+(?:/[\w.~-]*)?$", re.IGNORECASE)
_ADDRESS = re.compile(r"[^:]+@[^/?#&]*")


@dataclass(frozen=True)
class Pasted:
    """The parts of a search, as they can be looked up; case is left as it was.

    Args:
        uuids: of certificates, most likely.
        course_ids: of Open edX, whole or how they start.
        addresses: e-mail addresses, whole or how they start, from `anna@` on.
        words: all else: a name, a username, a part of a title.
    """

    uuids: tuple[UUID, ...] = ()
    course_ids: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def read_pasted(text: str) -> Pasted:
    """Return what there is to look for in the text; nothing at all if it is too much.

    The words beside a uuid or an e-mail address are left out: those identify the user, and the
    words are what another program calls them (`Anna of MIT <anna@example.com>`).
    """
    if _ENCODED.search(text):
        text = unquote(text)
    parts = [part.strip(_AROUND) for part in _BETWEEN.split(_drop_invisible(text))]
    parts = [part for part in parts if any(map(str.isalnum, part))]
    if len(parts) > PARTS_MAX or any(len(part) > PART_MAX_LENGTH for part in parts):
        return Pasted()
    uuids: dict[UUID, None] = {}
    course_ids: dict[str, None] = {}
    addresses: dict[str, None] = {}
    words: dict[str, None] = {}
    for part in parts:
        if found := _UUID.search(part):
            uuids[UUID(found[0])] = None
        elif found := _COURSE_ID.search(part):
            course_ids[found[0]] = None
        elif found := _ADDRESS.search(part):
            addresses[found[0].strip(_AROUND)] = None
        else:
            words[unicodedata.normalize("NFC", part)] = None
    if uuids or addresses:
        words.clear()
    return Pasted(tuple(uuids), tuple(course_ids), tuple(addresses), tuple(words))


def _drop_invisible(text: str) -> str:
    return "".join(_to_visible(character) for character in text)


def _to_visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc" or character in BLANK_SIGNS:
        return " "
    is_dropped = category in ("Cf", "Cs") and character not in _KEPT_FORMATS
    return "" if is_dropped else character
