"""The page that Prometheus reads, judged by the readers of its own library."""

import pytest
from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics

from gateway.observe.exposition import CLASSIC, OPENMETRICS, content_type, render
from gateway.observe.families import BUILD, DURATION_SECONDS, EXCHANGES, FAMILIES, OPEN, Family
from gateway.observe.table import Samples, Table

READERS = {True: openmetrics.text_string_to_metric_families, False: classic.text_string_to_metric_families}
NASTY = 'a "quoted" \\ route\nwith a second line, é'


def a_page(*, openmetrics: bool, routes: int = 1) -> str:
    """Return a page with every family in it."""
    table, gauges = Table(), dict[str, Samples]()
    for family in FAMILIES:
        for number in range(routes):
            labels = tuple(f"{NASTY}{number}" if label == "route" else "x" for label in family.labels)
            if family.kind == "counter":
                table.add(family, labels, 2**60)
            elif family.kind == "histogram":
                table.observe(family, labels, 0.02)
                table.observe(family, labels, 1e6)
            else:
                gauges.setdefault(family.name, {})[labels] = 1
    return "".join(render(table, gauges, openmetrics=openmetrics))


@pytest.mark.parametrize("form", READERS, ids=["openmetrics", "classic"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_is_read_as_what_it_is(family: Family, form: bool) -> None:
    """With its kind, its words, its labels octet for octet, and as many values as were put in."""
    found = {each.name: each for each in READERS[form](a_page(openmetrics=form))}
    read = found[family.name.removesuffix("_info") if form else family.name]
    assert read.type == ("info" if form and family is BUILD else family.kind)
    assert read.documentation == family.help
    labels = {label: f"{NASTY}0" if label == "route" else "x" for label in family.labels}
    samples = {each.name: each for each in read.samples if "le" not in each.labels}
    assert all(each.labels == labels for each in samples.values())
    if family.kind == "histogram":
        assert samples[f"{family.name}_count"].value == 2
        assert samples[f"{family.name}_sum"].value == pytest.approx(1e6 + 0.02)
        buckets = [each.value for each in read.samples if "le" in each.labels]
        assert buckets == sorted(buckets) and len(buckets) == len(family.buckets) + 1 and buckets[-1] == 2
    else:
        ending = "_total" if family.kind == "counter" else ""
        assert samples[f"{family.name}{ending}"].value == (2**60 if family.kind == "counter" else 1)


@pytest.mark.parametrize("form", READERS, ids=["openmetrics", "classic"])
def test_a_family_without_samples_is_not_told_and_an_empty_page_is_one(form: bool) -> None:
    """What never happened has no line."""
    page = "".join(render(Table(), {OPEN.name: {}}, openmetrics=form))
    assert page == ("# EOF\n" if form else "")


def test_a_long_page_comes_in_pieces() -> None:
    """So that streams go on between them; a family of thousands of lines is cut, too."""
    table = Table()
    for number in range(400):
        table.observe(DURATION_SECONDS, (str(number), "up"), 1)
    pieces = list(render(table, {}, openmetrics=False))
    assert len(pieces) > 10
    assert max(piece.count("\n") for piece in pieces) <= 500
    (family,) = classic.text_string_to_metric_families("".join(pieces))
    assert sum(each.name.endswith("_count") for each in family.samples) == 400


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", CLASSIC),
        ("*/*", CLASSIC),
        ("text/plain", CLASSIC),
        ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
        # As Prometheus 2.42 asks, and as Prometheus 3 does.
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.2", OPENMETRICS),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", CLASSIC),
        ("application/openmetrics-text;q=0", CLASSIC),
        ("application/openmetrics-text;q=x", OPENMETRICS),
    ],
)  # fmt: skip
def test_the_format_follows_accept(accept: str, expected: str) -> None:
    """OpenMetrics only for those who name it; whatever else they say, the classic text is always right."""
    assert content_type(accept) == expected


def test_counters_keep_their_names_in_both_formats() -> None:
    """Samples are called the same, whatever the head of their family says."""
    for form in READERS:
        table = Table()
        table.add(EXCHANGES, ("a", "up", "complete", "200"))
        page = "".join(render(table, {}, openmetrics=form))
        assert '\nslowgate_exchanges_total{route="a",upstream="up",outcome="complete",status="200"} 1.0\n' in page
