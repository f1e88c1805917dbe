"""How the app logs: a constant message, fields in `extra`, and the ids in both.

A host's formatter may drop the fields, as MITx Online's does.
"""

import logging
from typing import Final

# In this order behind the message: the learner and the run, what came of it, and why.
TOLD: Final = (
    *("user_id", "user_ids", "run_id", "course_id", "requests", "certificate", "token_id"),
    *("outcome", "reason", "error", "cause"),
)


class IdsInMessage(logging.Filter):
    """Writes what TOLD names behind the message; the field `event` is the message without it."""

    def filter(self, record: logging.LogRecord) -> bool:
        fields = vars(record)
        event = fields["event"] = record.getMessage()
        told = {name: fields[name] for name in TOLD if fields.get(name) is not None}
        if told:
            text = str(record.msg) if record.args else event.replace("%", "%%")
            record.msg = f"{text} ({', '.join(f'{name} %s' for name in told)})"
            record.args = (*(record.args or ()), *told.values())
        return True


_IDS_IN_MESSAGE: Final = IdsInMessage()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module of the app."""
    logger = logging.getLogger(name)
    logger.addFilter(_IDS_IN_MESSAGE)
    return logger
