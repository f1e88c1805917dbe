#!/usr/bin/env python
"""Runs Django's administrative commands."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from uuid import uuid4

from django.core.management import execute_from_command_line
from structlog.contextvars import bind_contextvars

if __name__ == "__main__":
    # The image has no tools.
    if find_spec("tools"):
        import_module("tools.development").prepare()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")
    # In the log, what this command does and what it sends to workers can be told from all else.
    bind_contextvars(command_id=str(uuid4()))
    execute_from_command_line(sys.argv)
