"""`python -m shared.problems.catalogue > docs/problems.md`"""

from shared.problems.catalogue.sections import page

print(page(), end="")
