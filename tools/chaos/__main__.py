"""`python -m tools.chaos`: many learners, every fault, programs killed; what was promised is kept.

Ends with status 0 when nothing is lost, doubled or wrong, with 1 otherwise, and leaves nothing
running.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tools.chaos.clock import Clock
from tools.chaos.database import read_facts
from tools.chaos.plan import BEAT, Options, Plan, make_plan
from tools.chaos.programs import Programs
from tools.chaos.progress import Bar
from tools.chaos.senders import Senders
from tools.chaos.storm import Storm, prepare_rows
from tools.chaos.surroundings import OpenEdx, broker, postgres, site_environment, temporary_folder
from tools.chaos.table import Outcome, print_table
from tools.chaos.verdict import Interval, Reply, judge
from tools.demo import terminal
from tools.demo.children import Children, Ended, Interruption
from tools.demo.failure import DemoFailed
from tools.demo.site import WEBHOOK_PATH
from tools.demo.surroundings import HOST, find_free_port
from tools.demo.terminal import fact, heading, say
from tools.postgres.tcp_proxy import TcpProxy

# Of web servers and broker; the process's number keeps two runs apart.
PORTS, SPAN = (20_000, 26_000), 5_000
# Fewer would leave out some of the stories.
LEARNERS_MIN = 40
DESCRIPTION = (
    "Sends the events of many learners to the site while its programs are killed, PostgreSQL goes "
    "away, takes no writes and falls silent, the broker goes away, clocks disagree and Open edX fails "
    "in every way; then looks whether each accepted event was settled, once and rightly. Everything "
    "is the run's own and real, in a temporary folder."
)
EPILOG = (
    "The seed decides who, what and when. What the operating system makes of it, such as which "
    "process answers a request or how far it has come when it is killed, is different each time."
)


def main(arguments: list[str]) -> int:
    """Run it; return the exit status."""
    terminal.prepare()
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.learners < LEARNERS_MIN or chosen.kills < 0 or not 5 <= chosen.seconds <= 3600:
        parser.error(f"At least {LEARNERS_MIN} learners and 0 kills, and 5 to 3600 seconds.")
    options = Options(
        chosen.seed,
        chosen.learners,
        chosen.kills,
        chosen.seconds,
        chosen.is_async,
        chosen.broker_down,
    )
    plan = make_plan(options)
    if chosen.plan:
        for line in plan.lines():
            say(line)
        return 0
    with Interruption() as interruption:
        try:
            return _run(plan, interruption)
        except DemoFailed as error:
            say(f"The run failed. {error}", "bad")
            return 1
        except Ended as ended:
            interruption.begin_ending()
            say()
            say("Interrupted; everything that was started has been ended.")
            return 128 + ended.number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tools.chaos", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 100_000, help="default: from the clock"
    )
    parser.add_argument("--learners", type=int, default=500, help="default: %(default)s")
    parser.add_argument(
        "--kills",
        type=int,
        default=50,
        help="SIGKILLs of web servers and workers; default: %(default)s",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=110.0,
        help="how long it all goes on, more where programs are slow to start; getting ready "
        "and settling what is left come on top. Default: %(default)g",
    )
    parser.add_argument(
        "--async",
        dest="is_async",
        action=argparse.BooleanOptionalAction,
        help="whether the webhook leaves the question to a worker (CERTIFICATE_WEBHOOK_ASYNC); "
        "default: half and half",
    )
    parser.add_argument(
        "--broker-down",
        action="store_true",
        help="no broker from beginning to end; process_certificate_requests --watch is run too",
    )
    parser.add_argument("--plan", action="store_true", help="print the plan and do nothing")
    return parser


def _run(plan: Plan, interruption: Interruption) -> int:
    began = time.monotonic()
    say(f"Chaos, seed {plan.options.seed}", "heading")
    with temporary_folder() as folder:
        try:
            outcome = _rage(plan, interruption, folder, began)
        except DemoFailed:
            _keep_logs(folder)
            raise
        print_table(outcome)
        if not outcome.verdict.is_good:
            _keep_logs(folder)
    say()
    if (killed := outcome.kills.total() - outcome.kills[BEAT]) < plan.options.kills:
        say(f"Only {killed} of {plan.options.kills} kills were made.", "bad")
        return 1
    if not outcome.verdict.is_good:
        say("Promises were broken, as listed above.", "bad")
        return 1
    say("Every promise was kept. Nothing is left running.", "good")
    return 0


def _rage(plan: Plan, interruption: Interruption, folder: Path, began: float) -> Outcome:
    heading("Getting ready")
    (folder / "broker").mkdir()
    openedx = OpenEdx(plan.cases)
    with ExitStack() as stack:
        server = stack.enter_context(postgres(folder / "postgres"))
        stack.enter_context(openedx.server)
        children = stack.enter_context(Children(interruption))
        # Not of the kernel's own choice: such a port could be given away while its owner is down.
        web_port, broker_port = (find_free_port(first + os.getpid() % SPAN) for first in PORTS)
        queue = stack.enter_context(broker(folder / "broker", broker_port))
        if not plan.options.is_broker_down:
            with interruption.held():
                queue.start()
        fact("PostgreSQL, broker", "their own, in a temporary folder")
        proxy = stack.enter_context(TcpProxy(HOST, server.port))
        environment = site_environment(server.url_at(proxy.port), openedx.server.url, broker_port)
        token = prepare_rows(children, environment, plan, folder)
        webhook_url = f"http://{HOST}:{web_port}{WEBHOOK_PATH}"
        programs = Programs(children, environment, plan, web_port, folder)
        for web in programs.start():
            children.wait_until_it_answers(web, webhook_url)
        fact("Web servers", f"two of granian on port {web_port}; a Celery worker, and beat")
        clock = Clock()
        senders = Senders(plan.sendings, webhook_url, token, openedx.server, clock)
        stack.callback(senders.stop)
        with Bar(plan, clock, senders, programs) as bar:
            storm = Storm(
                plan=plan,
                folder=folder,
                environment=environment,
                interruption=interruption,
                children=children,
                programs=programs,
                senders=senders,
                openedx=openedx,
                postgres=server,
                proxy=proxy,
                broker=queue,
                clock=clock,
                show=bar.show,
            )
            storm.rage()
            storm.settle()
        facts = read_facts(server.url, plan.cases, senders.sent)
    replies = [
        Reply(one.status, Interval(one.began, one.ended), one.body)
        for one in senders.sent.tries
        if one.status is not None
    ]
    return Outcome(
        plan,
        senders.sent,
        storm.told,
        programs.kills,
        programs.unexpected_ends,
        openedx.spoiled,
        openedx.server.request_count,
        facts,
        judge(facts, replies, storm.told.postgres_outages),
        time.monotonic() - began,
    )


def _keep_logs(folder: Path) -> None:
    kept = Path(tempfile.mkdtemp(prefix="chaos-logs-"))
    for log in (*folder.glob("*.log"), *folder.glob("postgres/server.log*")):
        shutil.copy(log, kept)
    say(f"What the programs said is kept in {kept}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
