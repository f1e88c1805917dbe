"""Asks the simulated Open edX for a page again and again, as a program of its own.

Prints how many answers came. Nothing is done with them: it shows what the simulator can do.
"""

import argparse
import http.client
import sys
import time
from urllib.parse import quote, urlsplit

TIMEOUT_SECONDS = 30.0


def main() -> None:
    """Ask for as long as it was told, by one connection, and print the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the simulated Open edX")
    parser.add_argument("token")
    parser.add_argument("course_id")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    connection = http.client.HTTPConnection(urlsplit(options.url).netloc, timeout=TIMEOUT_SECONDS)
    path = f"/api/grades/v1/courses/{quote(options.course_id, safe='')}/?page_size=100"
    headers = {"Authorization": f"Bearer {options.token}"}
    answers = 0
    ends = time.monotonic() + options.seconds
    while time.monotonic() < ends:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            sys.exit(f"The simulated Open edX answered {response.status}.")
        answers += 1
    sys.stdout.write(f"{answers}\n")


if __name__ == "__main__":
    main()
