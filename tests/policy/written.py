"""Limits of every kind that a policy can say, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from tollkeeper.model import Limit, Match, Window
from tollkeeper.model.limit import LARGEST_AMOUNT, MEASURES, PER, UNITS, Measure
from tollkeeper.policy.forms import Form
from tollkeeper.policy.match_table import OPERATIONS

amounts = st.one_of(st.integers(0, 10_000), st.integers(0, LARGEST_AMOUNT))
zones = st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu"))
whose = st.sets(st.sampled_from(PER)).map(lambda chosen: tuple(each for each in PER if each in chosen))
units = st.sampled_from(UNITS)
calendar = st.builds(Window, units, zones)
rolling = st.builds(Window, units, rolling=st.just(True), burst=st.none() | st.integers(1, LARGEST_AMOUNT))


def windows(measure: Measure) -> st.SearchStrategy[Window | None]:
    if measure == "concurrency":
        return st.none()
    return calendar | rolling if measure == "requests" else calendar | rolling | st.none()


forms = st.sampled_from(MEASURES).flatmap(
    lambda measure: st.builds(Form, st.just(measure), amounts, windows(measure), whose)
)

texts = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() and bool(text.strip()))
globs = st.lists(texts, max_size=3).map(tuple)
tag_globs = st.lists(texts | st.just(""), min_size=1, max_size=3, unique=True).map(
    lambda chosen: tuple(sorted(chosen, key=bool))
)
matches = st.builds(
    Match,
    provider=globs,
    model=globs,
    operation=st.lists(st.sampled_from(OPERATIONS), max_size=2).map(tuple),
    tags=st.dictionaries(st.text(max_size=8), tag_globs, max_size=2),
)
names = st.from_regex(r"\w(?:[\w .-]{0,20}[\w.-])?", fullmatch=True)
waits = st.integers(1, 3_600_000).map(lambda milliseconds: milliseconds / 1000)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    form = draw(forms)
    mode = draw(st.sampled_from(("hard", "soft")))
    return Limit(
        draw(names),
        *form[:3],
        match=draw(matches),
        per=form.per,
        mode=mode,
        at=tuple(sorted(draw(st.sets(st.integers(1, 1000), max_size=5)))),
        wait=draw(waits | st.just(0.0)) if mode == "hard" else 0.0,
        on_unavailable=draw(st.sampled_from(("allow", "local", "deny"))),
        exempt=tuple(draw(st.lists(matches.filter(lambda match: match != Match()), max_size=2))),
        unbounded=draw(st.integers(1, LARGEST_AMOUNT) | st.just("refuse")),
    )
