"""A release whose rules give 30 days of grace (fold_version 4).

`python -m tests.integration.metrics.generations.other_rules <command of services.metrics.operate>`.

What docs/how-to/change-a-rule.md has one write into services/metrics/folding/coverage.py is put there before anything else is imported.
"""

from __future__ import annotations

from services.metrics.folding import coverage

coverage.RULES[4] = coverage.Rules(grace_days=30)
coverage.FOLD_VERSION = 4
coverage.segments.__defaults__ = (coverage.RULES[4],)

if __name__ == "__main__":
    from services.metrics import operate

    operate.main()
