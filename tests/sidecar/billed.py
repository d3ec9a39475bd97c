"""A small bill of a settled day, so that there is something to compare a ledger with."""

from __future__ import annotations

import json
import time
import urllib.request

DAY = 86_400


def bring_a_bill(url: str) -> None:
    """Import it: a tenth of a cent, which is within any tolerance."""
    start = (int(time.time()) // DAY - 3) * DAY
    columns = "start_time,end_time,amount_value,amount_currency,quantity,quantity_unit,line_item"
    row = f'{start},{start + DAY},0.001,usd,100,tokens,"gpt-4o-mini, input"'
    body = json.dumps({"content": f"{columns}\n{row}\n", "apply": True, "reason": "a test"}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v1/invoices", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["new"] == 1
