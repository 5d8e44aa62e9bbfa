"""Makes tables of a result of the benchmark suite. What a column is called, the result itself says."""

from typing import Any

GROUPS = {
    "Small requests": ("small", "quiet"),
    "Event streams": ("sse", "sse-fast"),
    "Large bodies": ("bulk", "bulk-chunked", "upload", "upload-chunked"),
    "Open streams": ("hold",),
    "Clients that leave": ("abort-storm",),
}
OURS = "slowgate"
DIRECT = "direct"
_NOTHING, _TIMES = "\u2013", "\u00d7"


def text(result: dict[str, Any]) -> str:
    """Return all tables with their headings, and why some cells are empty: Markdown, no empty line at its ends."""
    parts = [part for title, scenarios in GROUPS.items() if (part := _group(result, title, scenarios))]
    return "\n\n".join([*parts, *remarks(result)])


def told(result: dict[str, Any]) -> str:
    """Return one paragraph: which machine, when, which versions."""
    machine, about = result["machine"], result["about"]
    rounds = "1 round" if about["rounds"] == 1 else f"{about['rounds']} rounds"
    versions = "; ".join(
        version if version.startswith(f"{name} ") else f"{name} {version}"
        for name, version in result["targets"].items()
    )
    return (
        f"Measured on {about['date']}: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB,"
        f" {machine['kernel']}, Python {machine['python']}; {about['cores_busy_elsewhere']:.1f} cores busy with other"
        f" work meanwhile; {about['mode']} mode, medians of {rounds}, {about['hold']:,} streams held. {versions}."
    )


def remarks(result: dict[str, Any]) -> list[str]:
    """Return a paragraph for each kind of gap in the tables."""
    left_out = [f"{name} ({why})" for name, why in result["left_out"].items()]
    failed = [
        f"{target} in {scenario} ({why})" for scenario, by in result["failed"].items() for target, why in by.items()
    ]
    found = [f"Not installed, so left out: {', '.join(left_out)}."] if left_out else []
    return found + ([f"*fails*, or failed in one of the rounds: {'; '.join(failed)}."] if failed else [])


def _group(result: dict[str, Any], title: str, scenarios: tuple[str, ...]) -> str | None:
    keys = [key for key, measure in result["measures"].items() if measure["scenario"] in scenarios]
    if not keys:
        return None
    abouts = [f"- *{name}*: {result['scenarios'][name]}" for name in scenarios if name in result["scenarios"]]
    heads = [_head(result["measures"][key]) for key in keys]
    rows = [["", *heads], ["---"] + ["---:"] * len(heads)]
    for target in [DIRECT, *result["targets"]]:
        cells = [_cell(result, key, target) for key in keys]
        if any(cell != _NOTHING for cell in cells):
            rows.append([f"**{target}**" if target == OURS else target, *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"### {title}\n\n" + "\n".join(abouts) + f"\n\n{table}"


def _head(measure: dict[str, Any]) -> str:
    return f"{measure['label']}, {measure['unit']}" if measure["unit"] else str(measure["label"])


def _cell(result: dict[str, Any], key: str, target: str) -> str:
    value = result["medians"].get(key, {}).get(target)
    measure = result["measures"][key]
    if value is None:
        return "*fails*" if target in result["failed"].get(measure["scenario"], {}) else _NOTHING
    if target == DIRECT and not measure["over_direct"]:
        return _NOTHING
    shown = f"{value:,.{measure['digits']}f}"
    if target == DIRECT:
        return f"{shown} (itself)"
    ratio = result["ratios"].get(key, {}).get(target)
    return shown if ratio is None else f"{shown} ({ratio:.2f}{_TIMES})"
