"""The keeper, as a program: `python -m embedded_postgres FOLDER START_LOCK`."""

import sys

from tools.postgres.keeper import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stderr))
