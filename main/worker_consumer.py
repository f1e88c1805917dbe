"""How a worker reads its queue: no message ends it."""

import logging
from collections.abc import Callable
from typing import Any, Final

from celery.worker.consumer import Consumer

log = logging.getLogger(__name__)

# What Celery and kombu stumble with over a message that is not what they expect.
_NO_TASK: Final = (AttributeError, LookupError, TypeError, ValueError)


class TaskConsumer(Consumer):
    """Celery's consumer, but for messages that are no tasks: it drops them, and says so.

    Celery's own ends the worker, and puts the message back into the queue for the next worker.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        read = self.loop  # type: ignore[has-type]

        def read_on(*arguments: Any) -> None:
            try:
                read(*arguments)
            except _NO_TASK as error:
                log.error("a message that is no task was dropped", exc_info=error)  # noqa: TRY400 - raised again
                # Celery connects again, frees the places that the message took up, and reads on.
                raise ConnectionError from error

        self.loop = read_on

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> None:
            try:
                handle(message)
            except _NO_TASK:
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)  # type: ignore[attr-defined]
                raise

        return take
