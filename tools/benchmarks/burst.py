"""Sends events at once, as a program of its own: the program that measures the others must not be busy with it.

Prints `{"seconds": ..., "replies": [[status, seconds, word], ...]}` as JSON; the word is the
certificate's status, empty if there is none.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tools.benchmarks.cast import COURSE_ID, learner

PLUGIN_SECONDS = 30.0

Reply = tuple[int, float, str]


def main() -> None:
    """Open the connections, start to send on all at the same moment, print the replies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the webhook")
    parser.add_argument("token")
    parser.add_argument("first", type=int, help="the first learner's number")
    parser.add_argument("count", type=int, help="how many learners")
    parser.add_argument("--step", type=int, default=1, help="from one learner's number to the next")
    parser.add_argument(
        "--connections", type=int, help="each sends one event after the other; one a learner"
    )
    options = parser.parse_args()
    connections = options.connections or options.count
    together = threading.Barrier(connections)
    headers = {"Authorization": f"Bearer {options.token}", "Content-Type": "application/json"}

    def send(share: range) -> list[Reply]:
        address = urlsplit(options.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=PLUGIN_SECONDS)
        connection.connect()
        together.wait()
        return [_send(connection, address.path, headers, number) for number in share]

    end = options.first + options.count * options.step
    shares = [
        range(options.first + place * options.step, end, connections * options.step)
        for place in range(connections)
    ]
    with ThreadPoolExecutor(connections) as executor:
        started = time.perf_counter()
        replies = [reply for share in executor.map(send, shares) for reply in share]
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "replies": replies}))


def _send(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str], number: int
) -> Reply:
    event = json.dumps({"email": f"{learner(number)}@example.com", "course_id": COURSE_ID})
    started = time.perf_counter()
    connection.request("POST", path, event, headers)
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - started
    try:
        word = json.loads(body).get("certificate_status", "")
    except ValueError:
        word = ""
    return response.status, seconds, word


if __name__ == "__main__":
    main()
