"""What the app tells its host."""

from typing import Final

from django.dispatch import Signal

# Sent once for each certificate that the app creates or deletes, by whatever path: webhook, held
# request, sweep, command or admin; never for one that existed, and not for the host's own.
#
# Arguments: `sender`, the host's class CourseRunCertificate; `certificate`, the row, with
# `course_run` in hand (`user` costs a query: ask by `user_id`). A deleted one is as it was.
#
# It is sent after the commit, by the process that did it and before that goes on, which holds neither a
# connection nor a turn meanwhile. A receiver should hand the work on to a task. What it raises is
# logged, and undoes nothing. While a sweep tells of a page's certificates it keeps its lease, as long as
# one receiver takes less than the lease's two minutes. A process that dies between the commit and the
# sending sends nothing: a receiver that must see all needs a sweep of its own over what it has not seen.
certificate_created: Final = Signal()
certificate_deleted: Final = Signal()
