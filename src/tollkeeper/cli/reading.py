"""What a verb says that reads a file: its mistakes as they are, with an exit code of their own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

Do = Callable[[argparse.Namespace], int]


def reading(command: str, mistakes: type[ValueError]) -> Callable[[Do], Do]:
    """Makes a verb of `command` tell what is wrong with its file: that it cannot be read, or the `mistakes` in it."""

    def guard(do: Do) -> Do:
        def guarded(options: argparse.Namespace) -> int:
            try:
                return do(options)
            except OSError as error:
                print(f"tollkeeper {command}: {error.filename}: {error.strerror or error}", file=sys.stderr)
            except mistakes as error:
                print(error, file=sys.stderr)
            return 2

        return guarded

    return guard
