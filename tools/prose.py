"""`python -m tools.prose`: whether docstrings, comments and docs are in plain English.

It counts the words by which they once read as if translated. The upper bounds are the most that
healthchecks, anymail, procrastinate and dj-stripe have in a thousand words; the lower one is near
their least, 9 for "if" alone.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

WORD: Final = re.compile(r"[A-Za-z][a-z']*")
# Of a thousand words, at most.
RARE: Final = {
    "where": (0.9, {"where", "wherever"}),
    "who": (0.4, {"who", "whom", "whoever", "whose", "nobody", "somebody"}),
}
# Of a thousand words, at least.
FREQUENT: Final = {"if or when": (7.5, {"if", "when"})}
NEVER: Final = {"anew", "shall", "whoever", "whomever"}
_CODE: Final = re.compile(r"```.*?```|``?[^`]*``?|^ {4}.*$|https?://\S+", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Print what is counted, and where a word stands that should not; return the exit status."""
    words: Counter[str] = Counter()
    complaints = []
    for path in list_files():
        if path.name == Path(__file__).name:
            continue
        for line, text in read_prose(path):
            found = Counter(word.lower() for word in WORD.findall(_CODE.sub(" ", text)))
            words += found
            complaints += [f"{path}:{line}: {word!r}" for word in sorted(NEVER & found.keys())]
    thousands = words.total() / 1000
    for name, (bound, forms) in {**RARE, **FREQUENT}.items():
        share = sum(words[form] for form in forms) / thousands
        is_kept, sense = (
            (share <= bound, "at most") if name in RARE else (share >= bound, "at least")
        )
        told = f"{name!r}: {share:.2f} in a thousand words, {sense} {bound}"
        print(told)  # noqa: T201 - it is a command
        if not is_kept:
            complaints.append(told)
    if complaints:
        print("", "Not plain English:", *complaints, sep="\n", file=sys.stderr)  # noqa: T201
    return 1 if complaints else 0


def list_files() -> list[Path]:
    """Return the files under version control that hold prose."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"],  # noqa: S607 - wherever it is installed
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listed.stdout.splitlines() if Path(name).exists()]


def read_prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each piece of prose of the file, with the line where it begins."""
    text = path.read_text()
    if path.suffix == ".md":
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.body[0].lineno, docstring


if __name__ == "__main__":
    sys.exit(main())
