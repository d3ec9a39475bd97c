"""CSV exports of consoles: what is read of them, and what is told of those that cannot be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.sidecar.invoices.exports import EXPORTS
from tollkeeper.sidecar.invoices.mapped import PRESETS
from tollkeeper.sidecar.invoices.sheet import SheetError
from tollkeeper.sidecar.invoices.upload import FORMS, read_upload

OPENAI_COSTS = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,user_id,\
api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source
1790467200,1790553600,2026-09-27T00:00:00+00:00,2026-09-28T00:00:00+00:00,,,,,,,,,,,,,
1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,0.003835980000000000000000000001,usd,25573,tokens,\
"gpt-5-nano, input_tokens",,key_1,proj_a,org-1,A,Org,a@example.com,
1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,0.5,usd,1.25,1000_tokens,"gpt-5-nano, output_tokens",,\
key_1,proj_a,org-1,A,Org,a@example.com,
1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,-5,usd,,,Credit,,,,org-1,,Org,,
"""
OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens,input_audio_tokens,output_audio_tokens
1790553600,1790640000,x,x,proj_a,5,,key_1,gpt-5-nano,False,default,1000,500,800,0,0
1790553600,1790640000,x,x,proj_a,2,,key_1,gpt-5-nano,True,,70,30,0,0,0
"""
ANTHROPIC_COST = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,\
inference_geo,speed,api_key_id,api_key_status
2026-08-04,Claude Haiku 4.5,Default,demo,message,≤ 200k,input_no_cache,0.05,0.05,token,not_available,,apikey_1,active
2026-08-04,Claude Haiku 4.5,Default,demo,batch,≤ 200k,output,0.02,0.02,token,not_available,,apikey_1,active
2026-08-04,,Default,demo,message,,,0.03,0.03,web_search,,,apikey_1,active
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
web_search_count,inference_geo,speed
2026-08-04 00:00,claude-haiku-4-5-20251001,demo,Default,standard,≤ 200k,"1,000",20,30,40,500,0,not_available,
2026-08-04 13:00,claude-haiku-4-5-20251001,demo,Default,standard,≤ 200k,1,0,0,0,2,0,not_available,
"""
OPENROUTER = """\
generation_id,created_at,cost_total,cost_web_search,byok_usage_inference,tokens_prompt,tokens_completion,\
tokens_reasoning,model_permaslug,provider_name,variant,cancelled,streamed,user,api_key_name
gen-1,2026-06-28 03:46:57.713,0.0123,0,0,10389,137,0,openai/gpt-oss-120b,X,,False,True,,app
gen-2,2026-06-28 23:59:59.999,0.00000001,0,0,10,1,0,openai/gpt-oss-120b,X,,False,True,,app
gen-3,2026-06-29T00:30:00+02:00,1.5,0,0,1,1,0,openai/gpt-oss-120b,X,,False,True,,app
"""

MINE: dict[str, Any] = {"mapping": {"provider": "p", "day": "d", "amount": "a"}}


def by_item(lines: list[InvoiceLine]) -> dict[tuple[Any, ...], Any]:
    return {
        (line.model, line.item, line.tier): line.amount if line.amount is not None else line.tokens or line.requests
        for line in lines
    }


def test_openais_cost_data() -> None:
    read = read_upload(OPENAI_COSTS)
    assert (read.form, read.rows) == ("openai-costs", 4)
    assert by_item(read.lines) == {
        ("gpt-5-nano", "input", ""): Decimal("0.003835980000000000000000000001"),
        ("gpt-5-nano", "output", ""): Decimal("0.5"),
        ("", "credit", ""): Decimal(-5),
    }
    assert [line.tokens for line in read.lines] == [25573, 1250, None]
    assert {line.day for line in read.lines} == {date(2026, 9, 28)}
    assert (read.lines[0].key, read.lines[0].project, read.lines[0].source) == ("key_1", "proj_a", "openai-csv")
    assert read.lines[0].raw["line_item"] == "gpt-5-nano, input_tokens"
    assert "example.com" not in str(read.lines)


def test_openais_activity_data() -> None:
    read = read_upload(OPENAI_USAGE)
    assert read.form == "openai-usage"
    assert by_item(read.lines) == {
        ("gpt-5-nano", "input", "standard"): 200,
        ("gpt-5-nano", "cache_read", "standard"): 800,
        ("gpt-5-nano", "output", "standard"): 500,
        ("gpt-5-nano", "requests", "standard"): 5,
        ("gpt-5-nano", "input", "batch"): 70,
        ("gpt-5-nano", "cache_read", "batch"): None,
        ("gpt-5-nano", "output", "batch"): 30,
        ("gpt-5-nano", "requests", "batch"): 2,
    }


def test_anthropics_cost_and_usage_are_of_one_source() -> None:
    costs, usage = read_upload("﻿" + ANTHROPIC_COST), read_upload(ANTHROPIC_USAGE)
    assert (costs.form, usage.form) == ("anthropic-cost", "anthropic-usage")
    assert {line.source for line in (*costs.lines, *usage.lines)} == {"anthropic-csv"}
    assert by_item(costs.lines) == {
        ("Claude Haiku 4.5", "input", ""): Decimal("0.05"),
        ("Claude Haiku 4.5", "output", "batch"): Decimal("0.02"),
        ("", "other", ""): Decimal("0.03"),
    }
    assert [line.tokens for line in usage.lines] == [1001, 40, 20, 30, 502]
    assert usage.lines[0].raw["of"] == 2


def test_openrouters_generations_are_summed_by_day() -> None:
    read = read_upload(OPENROUTER)
    assert (read.form, read.rows, len(read.lines)) == ("openrouter-generations", 3, 4)
    assert {line.day for line in read.lines} == {date(2026, 6, 28)}
    found = {line.item: (line.amount, line.tokens, line.requests) for line in read.lines}
    assert found["total"][0] == Decimal("1.51230001")
    assert (found["prompt"][1], found["output"][1], found["requests"][2]) == (10400, 139, 3)


def test_other_files_by_a_mapping() -> None:
    content = "Tag;Modell;Betrag;Anfragen;Konto\n31.01.2026 23:30;gpt-4o;1.234,56 ;7;x\n31.01.2026 23:30;gpt-4o;1;1;y\n"
    mapping = {
        "provider": "azure.ai.openai", "day": "Tag", "day_format": "%d.%m.%Y %H:%M", "zone": "America/New_York",
        "model": "Modell", "amount": "Betrag", "requests": "Anfragen", "decimal_comma": True, "only": {"Konto": "x"},
    }  # fmt: skip
    read = read_upload(content, mapping=mapping)
    assert read.form == "mapping"
    assert [(line.day, line.amount, line.requests) for line in read.lines] == [
        (date(2026, 2, 1), Decimal("1234.56"), None),
        (date(2026, 2, 1), None, 7),
    ]
    cents = read_upload("d,a\n2026-01-31,123\n", mapping={"provider": "p", "day": "d", "amount": "a", "cents": True})
    assert cents.lines[0].amount == Decimal("1.23")
    assert cents.lines[0].source == "p-csv"


def test_presets_of_azure_and_google() -> None:
    azure = "date,meterName,meterSubCategory,costInUsd,resourceId\n01/31/2026,gpt 4o Inp Tokens,Azure OpenAI,0.5,/r\n"
    (line,) = read_upload(azure, form="azure").lines
    assert (line.provider, line.day, line.model, line.amount) == (
        "azure.ai.openai", date(2026, 1, 31), "gpt 4o Inp Tokens", Decimal("0.5"),
    )  # fmt: skip
    google = (
        "usage_start_time,service.description,sku.description,project.id,cost,currency\n"
        "2026-01-31 23:00:00 UTC,Gemini API,Gemini 2.5 Flash Input,p,0.25,USD\n"
    )
    (line,) = read_upload(google, form="google").lines
    assert (line.provider, line.model, line.day) == ("gcp.gemini", "Gemini 2.5 Flash Input", date(2026, 1, 31))


@pytest.mark.parametrize(
    "content, said, told",
    [
        ("", {}, "is empty"),
        ("a,b\n1,2\n", {}, "no form that is known"),
        ("a,b\n1,2\n", {"form": "openai-costs"}, "'amount_value'"),
        ("a,b\n1,2\n", {"form": "nonsense"}, "expected one of"),
        (OPENAI_COSTS.splitlines()[0] + "\n", {}, "no figures"),
        (OPENAI_COSTS.replace(",usd,25573", ",eur,25573"), {}, "line 3: amount_currency is 'eur'; expected usd"),
        (ANTHROPIC_COST.replace("0.05,0.05", "much,0.05"), {}, "cost_usd is 'much'; expected an amount"),
        (ANTHROPIC_USAGE.replace("2026-08-04 13:00", "August"), {}, "line 3: usage_date_utc is 'August'"),
        ("d,a\n2026-01-31,1,2\n", {"mapping": {"provider": "p", "day": "d", "amount": "a"}}, "line 2: 3 cells"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"provider": "p", "day": "x"}}, "no column 'x'; there are d, a"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"day": "d", "colour": "a"}}, "mapping.colour"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"provider": "p", "day": "d", "amount": 5}}, "mapping.amount is 5"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"provider": "p", "day": "d", "zone": "Mars"}}, "time zone"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"provider": "p", "day": "d", "day_format": "%d %d"}}, "day_format is"),
        ("d,a\n2026-01-31,1\n", {"mapping": {"provider": "p", "day": "d", "day_format": "\ud800"}}, "day_format is"),
        ('[{"d": "2026-01-31", "a": 1}, 5, {"d": []}]', MINE, "object 2: '5'; expected an object of texts and numbers"),
        ('[{"d": "2026-01-31", "a": "x"}]', MINE, "object 1: a is 'x'; expected an amount"),
        ('[{"d": "2026-01-31", "a": NaN}]', MINE, "object 1: a is 'NaN'"),
        ("[]", MINE, "is empty; expected a list of objects"),
        ("[{", MINE, "expected CSV, or a list of objects in JSON"),
        ('[{"b": 1}]', MINE, "no column"),
        ("d,a\n2026-01-31,1e400\n", {"mapping": {"provider": "p", "day": "d", "amount": "a"}}, "expected an amount"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content: str, said: dict[str, Any], told: str) -> None:
    with pytest.raises(SheetError) as raised:
        read_upload(content, **said)
    assert told in str(raised.value)


def test_all_mistakes_are_told_up_to_some() -> None:
    rows = "\n".join(f"2026-01-{day:02},x" for day in range(1, 32))
    with pytest.raises(SheetError) as raised:
        read_upload(f"d,a\n{rows}\n", mapping={"provider": "p", "day": "d", "amount": "a"})
    lines = str(raised.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "and 11 more"


def test_a_list_of_objects() -> None:
    content = '[{"d": "2026-01-31", "a": 0.10000000000000000001, "m": null}, {"d": "2026-01-31", "m": "x", "t": 12}]'
    read = read_upload(content, mapping={**MINE["mapping"], "model": "m", "tokens": "t"})
    assert read.rows == 2 and [(line.model, line.amount, line.tokens) for line in read.lines] == [
        ("", Decimal("0.10000000000000000001"), None), ("x", None, 12),
    ]  # fmt: skip


@given(st.text(max_size=200), st.sampled_from([None, *FORMS]))
def test_whatever_is_brought_is_read_or_refused(content: str, form: str | None) -> None:
    heads = [",".join(export.needed) for export in EXPORTS] + ["date,meterName,costInUsd,resourceId,meterSubCategory"]
    for head in ("", "[", *heads):
        try:
            read_upload(f"{head}\n{content}", form=form)
        except SheetError:
            continue


def test_the_same_file_says_the_same_lines() -> None:
    for content in (OPENAI_COSTS, OPENAI_USAGE, ANTHROPIC_COST, ANTHROPIC_USAGE, OPENROUTER):
        one, other = read_upload(content).lines, read_upload(content).lines
        assert [line.id for line in one] == [line.id for line in other]
        assert len({line.id for line in one}) == len(one)
    assert set(PRESETS) < set(FORMS)
