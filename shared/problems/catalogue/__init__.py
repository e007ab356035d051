"""Every code of a problem or a warning, in Chinese and English.

`{placeholders}` are filled with the problem's parameters, which are never personal data. A service adds its codes to its own section
(`services.py`). After a change: `python -m shared.problems.catalogue > docs/problems.md`.
"""

from shared.problems.catalogue.entry import UNKNOWN_CODE, Entry
from shared.problems.catalogue.requests import BATCHES, COMMANDS, FIELDS, REQUESTS
from shared.problems.catalogue.sections import CODES, SECTIONS, page
from shared.problems.catalogue.services import METRICS, SHARED_FACTS

__all__ = ["BATCHES", "CODES", "COMMANDS", "FIELDS", "METRICS", "REQUESTS", "SECTIONS", "SHARED_FACTS", "UNKNOWN_CODE", "Entry", "page"]
