"""What courses tells whoever wants to know."""

from typing import Final

from django.dispatch import Signal

# Sent once for each certificate that is created, by whatever path: webhook, held request, sweep,
# command or admin; never for one that existed.
#
# Arguments: `sender`, the class CourseRunCertificate; `certificate`, the row, with `course_run` in
# hand (`user` costs a query: ask by `user_id`).
#
# It is sent after the commit, by the process that created the certificate and before that goes on:
# a receiver should be quick, and leave the rest to a task. A sweep tells of a page's certificates
# one after the other; where that takes longer than CERTIFICATE_SWEEP_LEASE it is taken for dead, and
# the run's other pages are left to the next. What a receiver raises is logged, and undoes nothing. A
# process that dies between the commit and the sending sends nothing: a receiver that must see all
# needs a sweep of its own over what it has not seen.
certificate_created: Final = Signal()
