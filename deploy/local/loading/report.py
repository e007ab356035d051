"""The output at the end of an import: counts, refused rows by row and field, and findings."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from deploy.local.coverage_table import escape_formula
from deploy.local.loading.batches import ImportResult
from samples.files import UnusableFileError
from samples.notices import ROW, Notice
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
    "case": "案件",
    "case_step": "案件步骤",
    "case_outcome": "结案",
    "case_reopening": "重新立案",
    "case_assignment": "案件交办",
    "hardship": "困难档案",
    "hardship_review": "困难复核",
    "hardship_payment": "帮扶发放",
    "hardship_end": "困难档案终止",
    "help": "就业帮扶",
    "help_result": "就业帮扶结果",
    "negotiation": "协商要约",
    "negotiation_reply": "协商答复",
    "negotiation_session": "协商会议",
    "negotiation_suspension": "协商中止",
    "negotiation_resumption": "协商恢复",
    "negotiation_result": "协商结果",
    "contract": "集体合同",
    "contract_submission": "合同报送",
    "contract_receipt": "合同签收",
    "contract_objection": "合同异议",
    "contract_publication": "合同公布",
    "contract_termination": "合同终止",
    "pact": "共同约定",
    "tripartite_meeting": "三方会议",
    "workers_congress": "职代会",
    "assessment": "评价",
    "award": "荣誉",
    "rule": "规则",
    "calendar": "日历",
    "correction": "更正",
    "row": "行",
}
"""{op: its Chinese name}"""


def unusable_lines(path: Path, error: UnusableFileError) -> Iterator[str]:
    """Why a file cannot be used at all."""
    for field_error in error.errors:
        yield f"{path}: {_notice_line(Notice.of(field_error))}"
    yield "未导入任何内容 / nothing was brought in"


def result_lines(result: ImportResult, rest: Path | None = None, most_warnings: int = MOST_SHOWN) -> Iterator[str]:
    """The refused rows, the warnings, then the counts. After MOST_SHOWN refusals and `most_warnings` only a reference to `rest`, which has all."""
    notices = result.notices
    for warning, number, zh, en in (
        (False, notices.errors, "未接受", "refused"),
        (True, notices.warnings, "提示(已接受)", "warnings (taken)"),
    ):
        if not number:
            continue
        most = most_warnings if warning else MOST_SHOWN
        of_kind = (notice for notice in notices if notice.warning is warning)
        for notice in islice(of_kind, most):
            yield _notice_line(notice)
        if number > most:
            by_code = ", ".join(f"{code} {count}" for code, is_warning, count in notices.counts() if is_warning is warning)
            yield f"…… {zh}:另有 {number - most} 条未列出,共 {number} 条 / {en}: {number - most} more, {number} in all ({by_code})"
            yield f"…… 全部见 / all of them are in {rest}" if rest else "…… 全部可用 --report FILE 写出 / --report FILE writes all of them"
    accepted = ", ".join(f"{NAMES[op]} {op} {count}" for op, count in result.accepted.items() if count) or "0"
    refused = ", ".join(f"{NAMES[op]} {op} {count}" for op, count in result.refused.items() if count) or "0"
    yield f"已在平台中(再次执行不会重复)/ on the platform now (a second run repeats nothing): {accepted}"
    yield f"未接受,其余不受影响 / refused, without effect on the others: {refused}"
    if notices.warnings:
        yield f"提示,已接受,请核对 / warnings, taken all the same, please check: {notices.warnings}"


def _notice_line(notice: Notice) -> str:
    where = [f"第 {notice.row} 行 line {notice.row}"] if notice.row else []
    where += [notice.op] if notice.op != ROW else []
    where += [notice.field] if notice.field else []
    where += ["提示 warning"] if notice.warning else []
    return f"{' · '.join([*where, notice.code])}: {notice.zh} / {notice.en}"


REPORT_COLUMNS = ("line", "op", "field", "code", "severity", "zh", "en")


def write_report(path: Path, notices: Iterable[Notice]) -> None:
    """All refusals and warnings by line, as CSV or, unless the name ends in .csv, as NDJSON. Raises OSError."""
    rows = (
        (notice.row, None if notice.op == ROW else notice.op, notice.field, notice.code, _severity(notice), notice.zh, notice.en)
        for notice in notices
    )
    with RowsFile(path, REPORT_COLUMNS) as file:
        for row in rows:
            file.write(row)


def _severity(notice: Notice) -> str:
    return "warning" if notice.warning else "error"


class RowsFile:
    """A file of rows with these columns, written as they come: CSV (with a mark for spreadsheets), or NDJSON unless the name ends in .csv.

    `-` is the standard output, as NDJSON. Raises OSError.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = columns
        self._table = path.suffix.lower() == ".csv"
        self._own = str(path) != "-"
        self._file = path.open("w", encoding="utf-8-sig" if self._table else "utf-8", newline="") if self._own else sys.stdout
        self._writer = csv.writer(self._file)
        if self._table:
            self._writer.writerow(columns)

    def __enter__(self) -> RowsFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._file.close()
        else:
            self._file.flush()

    def write(self, row: Sequence[Any]) -> None:
        """One row; a list is joined by blanks in CSV."""
        if self._table:
            cells = (" ".join(cell) if isinstance(cell, list) else "" if cell is None else cell for cell in row)
            self._writer.writerow([escape_formula(cell) for cell in cells])
            return
        self._file.write(json.dumps(dict(zip(self._columns, row, strict=True)), ensure_ascii=False) + "\n")


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
