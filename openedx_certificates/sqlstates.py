"""What PostgreSQL's error codes mean for the caller: whether the server can take an event at all."""

from typing import Final

# Classes of SQLSTATE, and one code. The server is out of reach: connection, resources (a full disk
# is one), shutdown; or it takes no writes, as a standby does and a primary that is being replaced.
AWAY: Final = ("08", "53", "57P", "25006")
