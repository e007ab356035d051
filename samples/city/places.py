"""The areas: one real city with its districts as in `samples/gbt2260`, and invented parks in each district."""

from __future__ import annotations

from pathlib import Path

from samples.city.names import PARK_FIRST, PARK_KINDS, SYNTHETIC
from samples.gbt2260.adapter import Divisions
from samples.records import Area

CITY = "3302"
DIVISIONS = Path(__file__).resolve().parents[1] / "gbt2260"
LEVELS = frozenset({"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"})
"""Names of GB/T 2260 that are levels of the code, not places; they have no parks."""
FEWEST_PARKS, MOST_PARKS = 3, 5


def areas(city: str = CITY) -> list[Area]:
    """Province, city, districts and parks, parents first. Names end with （合成）; a level keeps its name, by which the registry recognises it."""
    divisions = {area.code: area for area in Divisions(DIVISIONS).areas}
    own = [divisions[city[:2]], divisions[city], *(area for area in divisions.values() if area.parent == city)]
    made = [area._replace(name=area.name if area.name in LEVELS else area.name + SYNTHETIC, row=None) for area in own]
    districts = [area for area in own[2:] if area.name not in LEVELS]
    for number, district in enumerate(districts):
        for park in range(1, FEWEST_PARKS + number % (MOST_PARKS - FEWEST_PARKS + 1) + 1):
            called = PARK_FIRST[(number + 3 * park) % len(PARK_FIRST)] + PARK_KINDS[(number + park) % len(PARK_KINDS)]
            made.append(Area(f"{district.code}-P{park:03d}", called + SYNTHETIC, "park", district.code))
    return made
