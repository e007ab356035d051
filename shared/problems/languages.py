"""Which of the two languages a client prefers."""

from __future__ import annotations


def preferred(accepted: str) -> str:
    """`zh` or `en` by an Accept-Language header (RFC 9110 §12.5.4)."""
    weights = {"zh": -1.0, "en": -1.0, "*": -1.0}
    for part in accepted[:500].split(","):
        tag, _, weight = part.strip().partition(";")
        name = tag.strip().partition("-")[0].lower()
        if name in weights:
            weights[name] = max(weights[name], _weight(weight))
    chinese, english = (weights[name] if weights[name] >= 0 else weights["*"] for name in ("zh", "en"))
    return "en" if english > max(chinese, 0.0) else "zh"


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
