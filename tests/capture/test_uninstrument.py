"""`instrument` and `uninstrument`, in any order: the SDKs get their own functions back, and calls are counted once."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import tollkeeper
from capture.bench import Bench, Records, Way, simulate, ways
from capture.processes import environment, run
from capture.scenarios import STAINLESS, SURFACES, read, settle
from conftest import need_shared
from tollkeeper.capture.providers import PROVIDERS
from tollkeeper.simulator import Simulator

CHAT = Way(SURFACES[0], is_async=False)


def owner_of(module: str, path: str) -> tuple[Any, str]:
    owner: Any = importlib.import_module(module)
    *steps, name = path.split(".")
    for step in steps:
        owner = getattr(owner, step)
    return owner, name


def functions(provider: str) -> dict[str, Any]:
    """Every function of an SDK that we wrap, as it is now."""
    adapter = importlib.import_module(f"tollkeeper.capture.providers.{provider}").ADAPTER
    found = {}
    for target in adapter.targets:
        try:
            owner, name = owner_of(target.module, target.path)
            found[f"{target.module}.{target.path}"] = owner.__dict__[name]
        except (ImportError, AttributeError, KeyError):
            assert target.optional, f"{target.module}.{target.path} is not there"
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_very_functions_come_back(provider: str) -> None:
    """Every wrapped function is wrapped once, and afterwards is the one that was there before."""
    before = functions(provider)
    assert before
    handle = tollkeeper.instrument(providers=[provider])
    during = functions(provider)
    handle.uninstrument()
    assert functions(provider) == before
    assert all(during[name] is not before[name] for name in before)
    assert all(functions(provider)[name] is before[name] for name in before)
    assert all(during[name].__name__ == before[name].__name__ for name in before)


def test_nothing_is_left_on_the_meta_path() -> None:
    """The hook for later imports goes too."""
    before = list(sys.meta_path)
    tollkeeper.instrument()
    tollkeeper.uninstrument()
    assert sys.meta_path == before


def test_twice_is_once(records: Records) -> None:
    """A second `instrument` changes nothing and gives the same handle; a second `uninstrument` is harmless."""
    with simulate(CHAT.surface) as simulator, records.watching("openai") as handle:
        wrapped = functions("openai")
        assert tollkeeper.instrument(providers=["openai"]) is handle
        assert functions("openai") == wrapped
        Bench(CHAT, simulator.url).surface.plain(Bench(CHAT, simulator.url).client, False)
        records.one()
        handle.uninstrument()
        handle.uninstrument()
        tollkeeper.uninstrument()


def test_nested_blocks() -> None:
    """An inner `with instrument()` block leaves the outer one in force; the last to be left uninstruments."""
    bare = functions("openai")
    with tollkeeper.instrument(providers=["openai"]) as outer:
        wrapped = functions("openai")
        assert wrapped != bare
        with tollkeeper.instrument(providers=["openai"]) as inner:
            assert inner is outer
        assert functions("openai") == wrapped
    assert functions("openai") == bare


@pytest.mark.parametrize("way", ways())
async def test_again_and_again(way: Way, records: Records) -> None:
    """Instrument, uninstrument, instrument: calls in between are not counted, those after it once."""
    with simulate(way.surface) as simulator:
        bench = Bench(way, simulator.url)
        with records.watching(way.surface.package):
            await bench.plain()
        await bench.plain()
        await bench.read(await bench.stream())
        records.one()
        again = Records()
        with again.watching(way.surface.package):
            await bench.plain()
            again.one()
        records.one()


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_accessors_made_while_instrumented_are_passive_afterwards(way: Way, records: Records) -> None:
    """The SDK caches `with_raw_response`, our wrappers inside: they only pass on, once we are gone."""
    with simulate(way.surface) as simulator:
        bench = Bench(way, simulator.url)
        resource = way.surface.raw(bench.client)  # type: ignore[attr-defined]
        with records.watching(way.surface.package):
            accessor, create, request = resource.with_raw_response, resource.create, bench.client.request
            await settle(accessor.create(**way.surface.ask()))  # type: ignore[attr-defined]
            records.one()
        assert request.__func__ is not type(bench.client).request
        assert (await settle(accessor.create(**way.surface.ask()))).http_response.status_code == 200  # type: ignore[attr-defined]
        await settle(create(**way.surface.ask()))  # type: ignore[attr-defined]
        await read(await settle(create(**way.surface.ask(), stream=True)), way.is_async)  # type: ignore[attr-defined]
        assert len(simulator.requests) == 4
        records.one()


@pytest.mark.parametrize("way", ways())
async def test_a_stream_in_flight_is_still_recorded(way: Way, records: Records) -> None:
    """Uninstrumenting does not lose what has begun."""
    with simulate(way.surface) as simulator:
        bench = Bench(way, simulator.url)
        with records.watching(way.surface.package):
            iterator = bench.iterate(await bench.stream())
            await bench.next(iterator)
            assert records.calls == []
        await read(iterator, way.is_async)
        call = records.one()
    assert (call.error_type, call.abandoned) == (None, False)


async def test_a_wrapper_of_somebody_else_on_top_of_ours(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    """It stays where it is, which is told; ours, below it, is passive. Once it goes, so does the last of us."""
    import openai  # noqa: PLC0415  only here

    owner = openai._base_client.SyncAPIClient
    original = owner.request
    seen = []

    with simulate(CHAT.surface) as simulator:
        with records.watching("openai"):
            ours = owner.request

            def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
                seen.append(1)
                return ours(self, *args, **kwargs)

            owner.request = theirs
            await Bench(CHAT, simulator.url).plain()
            records.one()
        try:
            assert owner.request is theirs
            assert "wrapped again" in caplog.text
            await Bench(CHAT, simulator.url).plain()
            assert len(seen) == 2
            records.one()
        finally:
            owner.request = original


PROGRAM = """
import json, os, sys
{before}
import tollkeeper
calls = []
handle = tollkeeper.instrument(on_call=calls.append)
imported = "openai" in sys.modules
import openai
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any")
client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hello"}}])
handle.flush()
handle.uninstrument()
client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hello"}}])
name = openai._base_client.SyncAPIClient.request.__module__
print(json.dumps([imported, len(calls), name, [type(f).__module__ for f in sys.meta_path]]))
"""


@pytest.mark.parametrize("before", ["import openai", "", "import openai.types"], ids=["before", "after", "partly"])
def test_the_order_of_imports(before: str) -> None:
    """An SDK is watched whether the app imports it before or after `instrument()`, which does not import it itself."""
    with Simulator(seed=1) as simulator:
        printed = run(PROGRAM.format(before=before), environment(f"{simulator.url}/v1"))
        assert len(simulator.requests) == 2
    imported, calls, module, finders = json.loads(printed.strip().splitlines()[-1])
    assert imported is bool(before)
    assert calls == 1
    assert module == "openai._base_client"
    assert "tollkeeper.capture.import_hook" not in finders


SDK_PROGRAM = """
import os, sys
import tollkeeper
from capture.bench import Bench, Records, Way, simulate
from capture.scenarios import SURFACES
surface = next(surface for surface in SURFACES if surface.name == sys.argv[1])
records = Records()
with simulate(surface) as simulator, records.watching(surface.package):
    assert surface.module not in sys.modules
    bench = Bench(Way(surface, False), simulator.url)
    surface.plain(bench.client, False)
    list(surface.stream(bench.client, False))
    print(len(records.all(2)))
"""


@pytest.mark.parametrize("surface", SURFACES, ids=str)
def test_an_sdk_that_is_imported_late(surface: Any) -> None:
    """Every SDK is watched when it is imported after `instrument()`, those that are namespace packages too."""
    tests = Path(__file__).resolve().parents[1]
    env = environment("", tests, **{"TOLLKEEPER_SHARED": str(need_shared())} if surface.recordings else {})
    printed = run([sys.executable, "-c", SDK_PROGRAM, surface.name], env)
    assert printed.strip().splitlines()[-1] == "2"
