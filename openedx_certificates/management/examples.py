"""Help that ends with examples."""

from argparse import RawDescriptionHelpFormatter
from textwrap import fill
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

HELP_WIDTH = 78


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the examples."""


class CommandWithExamples(BaseCommand):
    """A command with `examples` in its --help, as they are written."""

    examples: ClassVar[str]

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # argparse breaks the lines of nothing or of everything.
        self.help = fill(self.help, HELP_WIDTH)
        kwargs |= {"epilog": self.examples, "formatter_class": _HelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)
