"""The division codes through their adapter: all of them, parents first; what is wrong is told by file, field and row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from samples.files import UnusableFileError
from samples.gbt2260.adapter import Divisions

FOLDER = Path(__file__).resolve().parents[3] / "samples/gbt2260"


def errors_of(path: Path) -> list[tuple[int | None, str | None, str]]:
    return [(error.row, error.field, error.code) for error in Divisions(path).notices]


def test_all_divisions_come_parents_first_with_their_codes() -> None:
    divisions = Divisions(FOLDER)
    seen: set[str | None] = {None}
    for area in divisions.areas:
        assert area.kind == "division"
        assert area.parent in seen
        assert area.parent is None or area.code.startswith(area.parent)
        seen.add(area.code)
    assert Counter(len(area.code) for area in divisions.areas) == {2: 31, 4: 342, 6: 2978}
    assert not len(divisions.notices)


def test_levels_are_handed_on_as_they_stand_because_the_registry_knows_them() -> None:
    names = {area.code: area.name for area in Divisions(FOLDER).areas}
    assert (names["11"], names["1101"], names["110101"]) == ("北京市", "市辖区", "东城区")


def test_a_single_file_does_as_well() -> None:
    assert len(Divisions(FOLDER / "gbt2260_provinces.csv").areas) == 31


def test_wrong_rows_are_told_with_file_field_and_row_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('code,name\n11,"北京市"\n1x,甲\n11,乙\n12,\n', "utf-8")
    (tmp_path / "b.csv").write_text("code,name,provinceCode\n1101,市辖区,11\n1301,丙,11\n,丁,11\n1102\n", "gb18030")
    assert sorted(errors_of(tmp_path), key=str) == [
        (3, "a.csv: code", "BAD_AREA_CODE"),
        (3, "b.csv: provinceCode", "UNKNOWN_AREA"),
        (4, "a.csv: code", "DUPLICATE_AREA"),
        (4, "b.csv: code", "FIELD_REQUIRED"),
        (5, "a.csv: name", "FIELD_REQUIRED"),
        (5, "b.csv", "BROKEN_ROW"),
    ]
    divisions = Divisions(tmp_path)
    assert [area.code for area in divisions.areas] == ["11", "1101"]
    assert divisions.refused == 6


@pytest.mark.parametrize(("content", "code"), [("", "FILE_EMPTY"), ("code,name\n", "FILE_EMPTY"), ("code,label\n11,x\n", "MISSING_COLUMN")])
def test_files_that_cannot_be_used_are_refused_as_a_whole(tmp_path: Path, content: str, code: str) -> None:
    (tmp_path / "a.csv").write_text(content, "utf-8")
    with pytest.raises(UnusableFileError) as refused:
        Divisions(tmp_path / "a.csv")
    assert [error.code for error in refused.value.errors] == [code]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError):
        Divisions(tmp_path)
