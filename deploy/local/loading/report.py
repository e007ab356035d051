"""The output at the end of an import: counts, refused rows by row and field, and findings."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from deploy.local.coverage_table import escape_formula
from deploy.local.loading.batches import ImportResult, Refusal
from samples.files import UnusableFileError
from samples.records import Finding

MOST_SHOWN = 200
MOST_FINDINGS = 1000
NAMES: Mapping[str, str] = {
    "area": "区域",
    "enterprise": "企业",
    "headcount": "人数报告",
    "move": "迁移",
    "classification": "分类变更",
    "closure": "关闭",
    "union": "工会",
    "coverage": "覆盖变更",
    "dissolution": "撤销",
    "member": "会员",
    "leave": "离会",
    "transfer": "接转",
    "visit": "走访",
    "correction": "更正",
    "row": "行",
}
"""{op: its Chinese name}"""


def unusable_lines(path: Path, error: UnusableFileError) -> Iterator[str]:
    """Why a file cannot be used at all."""
    for field_error in error.errors:
        yield f"{path}: {_refusal_line(Refusal.of(field_error, 'row'))}"
    yield "未导入任何内容 / nothing was brought in"


def result_lines(result: ImportResult) -> Iterator[str]:
    """The refused rows, then the counts."""
    shown = sorted(result.refusals, key=lambda refusal: (refusal.row or 0, refusal.op))[:MOST_SHOWN]
    for refusal in shown:
        yield _refusal_line(refusal)
    total = sum(result.refused.values())
    if total > len(shown):
        zh, en = (
            (f"前 {len(shown)} 条", f"first {len(shown)}") if len(result.refusals) > len(shown) else (f" {len(shown)} 条", str(len(shown)))
        )
        yield f"…… 共 {total} 条未接受;以上为{zh}原因 / {total} were refused; above are the {en} reasons, of which one may concern several"
    accepted = ", ".join(f"{NAMES[op]} {op} {count}" for op, count in result.accepted.items() if count) or "0"
    refused = ", ".join(f"{NAMES[op]} {op} {count}" for op, count in result.refused.items() if count) or "0"
    yield f"已在平台中(再次执行不会重复)/ on the platform now (a second run repeats nothing): {accepted}"
    yield f"未接受,其余不受影响 / refused, without effect on the others: {refused}"


def _refusal_line(refusal: Refusal) -> str:
    where = [f"第 {refusal.row} 行 line {refusal.row}"] if refusal.row else []
    where += [refusal.op] if refusal.op != "row" else []
    where += [refusal.field] if refusal.field else []
    return f"{' · '.join([*where, refusal.code])}: {refusal.zh} / {refusal.en}"


def finding_lines(
    findings: Iterable[Finding], counts: Mapping[str, int], meanings: Mapping[str, tuple[str, str]], rest: Path
) -> Iterator[str]:
    """The findings, sorted by code; after MOST_FINDINGS only a reference to `rest` (a CSV file with all)."""
    total = sum(counts.values())
    yield f"异常而保留的记录 / odd, and kept: {total}"
    code = None
    for finding in islice(findings, MOST_FINDINGS):
        if finding.code != code:
            code = finding.code
            zh, en = meanings[code]
            yield f"{code} ({counts[code]}) {zh} / {en}"
        yield f"  {finding.case}  {code}  第 {finding.row} 行 line {finding.row}  {finding.detail}".rstrip()
    if total > MOST_FINDINGS:
        yield f"…… 全部见 / all of them are in {rest}"


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """All findings as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Finding._fields)
        writer.writerows([escape_formula(value) for value in finding] for finding in findings)
