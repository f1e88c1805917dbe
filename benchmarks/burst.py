"""Sends events at once, as a program of its own: who measures the others must not be busy with it.

Prints `[[status, seconds], ...]` as JSON.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks.cast import COURSE_ID, learner

PLUGIN_SECONDS = 30.0


def main() -> None:
    """Open a connection for each learner, send all events at the same moment, print the replies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the webhook")
    parser.add_argument("token")
    parser.add_argument("first", type=int, help="the first learner's number")
    parser.add_argument("count", type=int, help="how many learners")
    options = parser.parse_args()
    together = threading.Barrier(options.count)

    def send(number: int) -> tuple[int, float]:
        address = urlsplit(options.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=PLUGIN_SECONDS)
        connection.connect()
        event = {"email": f"{learner(number)}@example.com", "course_id": COURSE_ID}
        headers = {
            "Authorization": f"Bearer {options.token}",
            "Content-Type": "application/json",
        }
        together.wait()
        started = time.perf_counter()
        connection.request("POST", address.path, json.dumps(event), headers)
        response = connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - started

    with ThreadPoolExecutor(options.count) as executor:
        numbers = range(options.first, options.first + options.count)
        sys.stdout.write(json.dumps(list(executor.map(send, numbers))))


if __name__ == "__main__":
    main()
