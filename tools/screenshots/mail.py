"""A picture of a mail that the sidecar has sent about a limit that fills, as it came to a mail server.

python tools/screenshots/mail.py [FILE]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from email.message import EmailMessage
from html import escape
from pathlib import Path

from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parents[2]
SECONDS = 60.0
POLICY = """\
[[limit]]
name = "daily"
limit = "$0.50 / day per tenant"
"""
CHANNELS = """\
[channels.finance]
url = "env:FINANCE_MAIL"
at_least = "critical"
"""
PAGE = """<!doctype html><meta charset=utf-8><style>
body {{ margin: 0; padding: 24px; background: #e9ecf1; font: 15px/1.5 Arial, Helvetica, sans-serif; color: #1c2430 }}
article {{ background: #fff; border-radius: 10px; box-shadow: 0 1px 4px #0003; padding: 20px 26px; max-width: 640px }}
h1 {{ font-size: 19px; margin: 0 0 8px }}
header {{ color: #5b6675; font-size: 13px; border-bottom: 1px solid #e3e6ea; padding-bottom: 12px;
  margin-bottom: 14px }}
p {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }}
</style><article><h1>{subject}</h1><header>{sender} → {to}</header><p>{text}</p></article>"""


def main() -> int:
    """Have a budget fill, and photograph what is told of it."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "out" / "pictures" / "mail.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    mail = _mail()
    body = mail.get_body(("plain", "html"))
    assert body is not None
    said = {"subject": mail["Subject"], "sender": mail["From"], "to": mail["To"], "text": body.get_content().strip()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 740, "height": 300}, device_scale_factor=1.5)
        page.set_content(PAGE.format(**{name: escape(value) for name, value in said.items()}))
        page.screenshot(path=file, full_page=True)
        browser.close()
    return 0


def _mail() -> EmailMessage:
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from services.sinks import mail_sink  # noqa: PLC0415  the path is set above
    from sidecar.running import running  # noqa: PLC0415  the same

    with tempfile.TemporaryDirectory() as folder, mail_sink() as server:
        policy, channels = Path(folder, "policy.toml"), Path(folder, "channels.toml")
        policy.write_text(POLICY)
        channels.write_text(CHANNELS)
        os.environ["FINANCE_MAIL"] = (
            f"mailto://127.0.0.1:{server.port}?mode=insecure&from=Tollkeeper%20<tollkeeper@example.com>&to=finance@example.com"
        )
        flags = ("--policy", str(policy), "--channels", str(channels), "--public-url", "https://tollkeeper.example.com")
        with running(f"sqlite:///{folder}/ledger.db", Path(folder), *flags) as sidecar:
            _spend(sidecar.url, folder)
            until = time.monotonic() + SECONDS
            while not server.messages and time.monotonic() < until:
                time.sleep(0.2)
        return server.messages[-1]


def _spend(sidecar: str, folder: str) -> None:
    import openai  # noqa: PLC0415  only here

    import tollkeeper  # noqa: PLC0415  the same
    from tollkeeper.simulator import Simulator  # noqa: PLC0415  the same

    with (
        Simulator(seed=1) as simulator,
        tollkeeper.instrument(sidecar=sidecar, spool=f"{folder}/spool", tags={"tenant": "acme"}),
        openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0) as client,
    ):
        for number in range(1000):
            feature = "match_pattern" if number % 3 else "summary"
            try:
                with tollkeeper.tags(feature=feature, user=f"u-{number % 5}"):
                    client.chat.completions.create(
                        model="gpt-4o" if number % 2 else "gpt-4.1",
                        messages=[{"role": "user", "content": "How many ships went by? " * 40}],
                        max_completion_tokens=300,
                    )
            except openai.RateLimitError:
                return


if __name__ == "__main__":
    sys.exit(main())
