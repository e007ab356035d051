"""Size classes of enterprises: 统计上大中小微型企业划分办法（2017）, National Bureau of Statistics, 国统字〔2017〕213号.

The class is the lowest that any of a sector's indicators gives: large, medium and small need the lower bounds of all of them, micro is
one that misses a single one. So an unknown indicator leaves the class unknown unless another one says micro already.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZE_RULE = "NBS-2017"
CLASSES = ("micro", "small", "medium", "large")
FEN_PER_WAN_YUAN = 1_000_000

Bounds = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sector:
    """Lower bounds of (small, medium, large). `industries`: prefixes of GB/T 4754-2017 codes; revenue in ten thousand yuan a year.

    `assets`: the rule also looks at total assets, which nobody reports here.
    """

    industries: tuple[str, ...]
    workers: Bounds | None = None
    revenue: Bounds | None = None
    assets: bool = False


SECTORS: dict[str, tuple[Sector, ...]] = {
    SIZE_RULE: (
        Sector(("A01", "A02", "A03", "A04"), revenue=(50, 500, 20_000)),
        Sector(("B", "C", "D"), workers=(20, 300, 1_000), revenue=(300, 2_000, 40_000)),
        Sector(("E",), revenue=(300, 6_000, 80_000), assets=True),
        Sector(("F51",), workers=(5, 20, 200), revenue=(1_000, 5_000, 40_000)),
        Sector(("F52",), workers=(10, 50, 300), revenue=(100, 500, 20_000)),
        Sector(("G54", "G55", "G56", "G57", "G58"), workers=(20, 300, 1_000), revenue=(200, 3_000, 30_000)),
        Sector(("G59",), workers=(20, 100, 200), revenue=(100, 1_000, 30_000)),
        Sector(("G60",), workers=(20, 300, 1_000), revenue=(100, 2_000, 30_000)),
        Sector(("H",), workers=(10, 100, 300), revenue=(100, 2_000, 10_000)),
        Sector(("I63", "I64"), workers=(10, 100, 2_000), revenue=(100, 1_000, 100_000)),
        Sector(("I65",), workers=(10, 100, 300), revenue=(50, 1_000, 10_000)),
        Sector(("K701",), revenue=(100, 1_000, 200_000), assets=True),
        Sector(("K702",), workers=(100, 300, 1_000), revenue=(500, 1_000, 5_000)),
        Sector(("L",), workers=(10, 100, 300), assets=True),
        Sector(("K703", "K709", "M", "N", "O", "Q84", "R"), workers=(10, 100, 300)),
    )
}
"""Sectors by version of the rule. Not in it: finance, education, health, public administration, railways; their class is unknown."""


def size_class(industry: str | None, workers: int | None, revenue_fen: int | None, rule: str = SIZE_RULE) -> str | None:
    """`large|medium|small|micro`; None where the inputs do not decide it, or the sector is not in the rule or not known closely enough."""
    sector = next((s for s in SECTORS[rule] if industry is not None and industry.startswith(s.industries)), None)
    if sector is None:
        return None
    known: list[int] = []
    unknown = sector.assets
    for bounds, value, unit in ((sector.workers, workers, 1), (sector.revenue, revenue_fen, FEN_PER_WAN_YUAN)):
        if bounds is not None and value is None:
            unknown = True
        elif bounds is not None and value is not None:
            known.append(sum(value >= bound * unit for bound in bounds))
    lowest = min(known, default=None)
    if lowest is None or (unknown and lowest > 0):
        return None
    return CLASSES[lowest]
