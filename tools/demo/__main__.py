"""`make demo`: the way of an event from Open edX to a certificate, told by the real programs.

Ends with status 0 when every reply was the expected one, and leaves nothing running.
"""

import os
import sys
import time

from tools.demo import terminal
from tools.demo.children import Children, Ended, Interruption
from tools.demo.command import SWEEP, as_shell_command, run_shown
from tools.demo.description import Run, load_runs
from tools.demo.failure import DemoFailed
from tools.demo.outage import show_outage
from tools.demo.site import (
    Prepared,
    Site,
    ask_django,
    folder_locked,
    prepare,
    say_where,
    shown,
    start_servers,
)
from tools.demo.story import get_steps, tell
from tools.demo.surroundings import POSTGRES_FOLDER, ignores_a_database, postgres
from tools.demo.terminal import fact, heading, say


def main() -> int:
    """Tell the story; return the exit status."""
    started = time.monotonic()
    terminal.prepare()
    with Interruption() as interruption:
        try:
            say("MITx Online: from Open edX's event to a learner's certificate", "heading")
            runs = load_runs()
            with folder_locked(), postgres() as database_url, Children(interruption) as children:
                unexpected = _show(children, database_url, runs)
        except DemoFailed as error:
            say()
            say(f"The demo failed. {error}", "bad")
            return 1
        except Ended as ended:
            interruption.begin_ending()
            say()
            say("Interrupted; everything that was started has been ended.")
            return 128 + ended.number
    say()
    if unexpected:
        say(f"The demo failed: {unexpected} unexpected, marked above.", "bad")
        return 1
    seconds = time.monotonic() - started
    say(f"All as expected, in {seconds:.0f} seconds. Nothing is left running.", "good")
    return 0


def _show(children: Children, database_url: str, runs: tuple[Run, ...]) -> int:
    heading("Getting ready")
    if ignores_a_database(os.environ):
        say("DATABASE_URL is set, and left alone: the demo has a PostgreSQL of its own.")
    fact("PostgreSQL", f"data in {shown(POSTGRES_FOLDER)}, database mitxonline")
    prepared = prepare(children, database_url, reset=True)
    _say_data(runs, prepared)
    site = start_servers(children, database_url)
    say_where(site)

    heading("An event comes in")
    say("Each request as a curl line, and its reply. While `make serve` runs they can be pasted.")
    steps = list(get_steps(site.webhook_url, runs[0], prepared.credentials))
    unexpected = tell(iter(steps))
    unexpected += show_outage(children, site, runs[0], prepared, first=len(steps) + 1)

    heading("The periodic sweep")
    unexpected += _sweep(children, site, runs, prepared)
    return unexpected


def _say_data(runs: tuple[Run, ...], prepared: Prepared) -> None:
    learners = {one.learner.username for run in runs for one in run.enrolled}
    fact("Data", f"{len(runs)} course runs, {len(learners)} learners")
    deleted = prepared.deleted
    if any(deleted.values()):
        fact(
            "Reset",
            f"{deleted['certificates']} certificates and {deleted['grades']} grades of these "
            "learners, from an earlier demo",
        )
    say()
    say(
        f"{'Course run':<28} {'certificates are issued':<24} {'verified':>8} {'audit':>6} {'passed':>7}"
    )
    for run in runs:
        verified = sum(one.is_verified for one in run.enrolled)
        passed = sum(one.passed for one in run.enrolled)
        say(
            f"{run.course_id:<28} {_when(run):<24} {verified:>8} "
            f"{len(run.enrolled) - verified:>6} {passed:>7}"
        )
    say()


def _when(run: Run) -> str:
    days = run.certificate_in_days
    if run.is_self_paced:
        return "at once (self-paced)"
    if days is None:
        return "never"
    return f"in {days} days" if days > 0 else f"{-days} days ago"


def _sweep(children: Children, site: Site, runs: tuple[Run, ...], prepared: Prepared) -> int:
    """Run and show the sweep; return how much of it was not as expected."""
    say("Every hour all grades of all open runs are asked for: the net under the webhook.")
    say(as_shell_command(site, SWEEP, without_database_url=ignores_a_database(os.environ)))
    if prepared.other_runs:
        say(
            f"{len(prepared.other_runs)} other run(s) of this database are swept too. The simulated"
        )
        say("Open edX doesn't know them, and they may be named as failed.")
    status = run_shown(children, site, SWEEP)
    unexpected = 0
    if status != 0 and not prepared.other_runs:
        say(f"Unexpected: it ended with status {status}.", "bad")
        unexpected += 1

    answer = ask_django(children, "report()", site.environment)
    say()
    say(f"{'Course run':<28} {'earned':>8} {'issued':>8}")
    for run in runs:
        earned = sum(one.has_earned for one in run.enrolled)
        issued = answer["certificates"][run.course_id]
        is_expected = issued == (earned if run.is_due else 0)
        note = "" if run.is_due else f"  the date comes {_when(run)}"
        say(f"{run.course_id:<28} {earned:>8} {issued:>8}{note}", None if is_expected else "bad")
        unexpected += not is_expected

    heading("Have a look")
    fact("Start it again", "make serve")
    fact("The admin", f"{site.web_url}/admin/")
    fact("User name", prepared.credentials.admin_username)
    fact("Password", prepared.credentials.admin_password)
    if answer["first_path"]:
        fact("Certificate of 1.", f"{site.web_url}{answer['first_path']}")
    return unexpected


if __name__ == "__main__":
    sys.exit(main())
