"""All workers write their numbers to one folder: empty at the start, and named before prometheus_client is imported."""

import os
import tempfile

os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="tollkeeper-"))
workers = 3
