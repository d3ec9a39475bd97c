"""The second part of `tollkeeper demo`: what the sidecar makes of a company's past."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pypdf import PdfReader

from capture.processes import SECONDS, environment, run

DEMO = [sys.executable, "-m", "tollkeeper.cli.main", "demo"]
ENVIRONMENT = {**environment(""), "PYTHONIOENCODING": "utf-8"}


def test_the_past_has_a_loop_a_forecast_advice_and_a_report(tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    said = run([*DEMO, "--seconds", "1", "--report", str(report)], ENVIRONMENT, 4 * SECONDS)
    assert "Every token and every call is accounted for." in said
    assert re.search(r"runaway spend for session agent-loop-1 at \$\d+", said)
    assert "Cause: session agent-loop-1" in said and "user globex-u-7" in said
    assert re.search(r"80 of 100 times +\$\d+\.\d\d to \$\d+\.\d\d", said)
    assert len(re.findall(r"^ \S.+ +\$\d+\.\d+ +\$\d+\.\d+ – \$\d+\.\d+", said, re.M)) == 3
    read = PdfReader(report)
    text = "\n".join(page.extract_text() for page in read.pages)
    assert "Cost summary" in text and "Müller & Søn" in text and "contract_review" in text
