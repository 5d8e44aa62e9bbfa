"""Tokens that an answer says it has cost."""

from gateway.exchange.marks import Marks, Usage


def _count(told: dict[str, object], *names: str) -> int | None:
    for name in names:
        value = told.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def note_usage(marks: Marks, told: object) -> bool:
    """Take the counts of a ``usage`` object over into ``marks``; return whether it said any.

    Both pairs of names are known: ``prompt_tokens`` and ``completion_tokens``, ``input_tokens`` and ``output_tokens``.
    A count is of the whole answer so far: a later one replaces it, and what is not said again stays.
    """
    if not isinstance(told, dict):
        return False
    prompt = _count(told, "prompt_tokens", "input_tokens")
    completion = _count(told, "completion_tokens", "output_tokens")
    total = _count(told, "total_tokens")
    if prompt is None and completion is None and total is None:
        return False
    usage = marks.usage = marks.usage or Usage()
    usage.prompt_tokens = usage.prompt_tokens if prompt is None else prompt
    usage.completion_tokens = usage.completion_tokens if completion is None else completion
    usage.total_tokens = usage.total_tokens if total is None else total
    return True
