"""Records that the destination will never take: set aside in a file, one JSON object a line, to be looked at."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

from tollkeeper.storage.spool.contract import Parcel

log = logging.getLogger("tollkeeper.spool")

NAME = "records.rejected"
LARGEST = 16 * 1024 * 1024
"""Beyond this the file grows no more; records are only counted and logged."""


def set_aside(root: Path, parcel: Parcel, reason: str) -> None:
    """Keep a record that was refused for good, and say so."""
    line = json.dumps({"at": time.time_ns(), "kind": parcel.kind, "reason": reason, "record": parcel.text}) + "\n"
    path = root / NAME
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size + len(line) > LARGEST:
                raise OSError(f"the file has {LARGEST} bytes already")
            if os.write(file, line.encode()) != len(line):
                raise OSError("the disk is full")
        finally:
            os.close(file)
    except OSError as error:
        log.error("a record was refused for good (%s) and could not be set aside (%s): %s", reason, error, parcel.text)
        return
    log.error("a record was refused for good (%s); it is set aside in %s", reason, path)
