from __future__ import annotations

import csv
import io
import zipfile

from openpyxl import load_workbook

from gateway.formats.spreadsheets import write_csv, write_workbook
from gateway.model import Block, PageResult

TABLE = (
    '<table><tr><td rowspan="2">Route</td><td colspan="2">Summer, winter</td></tr>'
    "<tr><td>12.5</td><td>007</td></tr><tr><td>=1+1</td><td>-40</td><td>a<br>b &amp; c</td></tr></table>"
)


def pages(*tables: str) -> list[PageResult]:
    blocks = [
        Block(id=f"p1-b{number}", label="table", bbox=(0, 0, 9, 9), order=number, content=table)
        for number, table in enumerate(tables, 1)
    ]
    text = Block(id="p1-b99", label="text", bbox=(0, 0, 9, 9), order=99, content="no table")
    return [PageResult(page=1, width=9, height=9, markdown="", blocks=[*blocks, text])]


def test_a_table_is_a_sheet_with_its_numbers_and_spans() -> None:
    data = io.BytesIO()
    assert write_workbook(pages(TABLE, TABLE), data) == 2
    book = load_workbook(data)
    assert book.sheetnames == ["p1-b1", "p1-b2"]
    sheet = book["p1-b1"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["Route", "Summer, winter", None],
        [None, 12.5, "007"],
        ["=1+1", -40, "a\nb & c"],
    ]
    assert {str(span) for span in sheet.merged_cells.ranges} == {"A1:A2", "B1:C1"}


def test_what_looks_like_a_formula_stays_text() -> None:
    data = io.BytesIO()
    write_workbook(pages(TABLE), data)
    assert load_workbook(data)["p1-b1"]["A3"].data_type == "s"


def test_numbers_look_as_they_are_printed() -> None:
    printed = ["1.10", "3.4", "0.000", "-0", "123456789012345", "12345678901234.56", "1,000", "1e5", "٣", "-0.00"]
    data = io.BytesIO()
    write_workbook(pages("<table><tr><td>" + "</td><td>".join(printed) + "</td></tr></table>"), data)
    (row,) = load_workbook(data)["p1-b1"].iter_rows()
    shown = [(cell.value, cell.number_format) for cell in row]
    assert shown[:3] == [(1.1, "0.00"), (3.4, "0.0"), (0, "0.000")]
    assert shown[4] == (123456789012345, "0")
    assert [cell.value for cell in row[3:4] + row[5:]] == ["-0", *printed[5:]]


def test_one_table_is_one_csv_file() -> None:
    data = io.BytesIO()
    assert write_csv(pages(TABLE), data) == 1
    rows = list(csv.reader(io.StringIO(data.getvalue().decode(), newline="")))
    assert rows == [["Route", "Summer, winter", ""], ["", "12.5", "007"], ["=1+1", "-40", "a\nb & c"]]


def test_several_tables_are_an_archive() -> None:
    data = io.BytesIO()
    assert write_csv(pages(TABLE, "<table><tr><td>x</td></tr></table>"), data) == 2
    with zipfile.ZipFile(data) as archive:
        assert archive.namelist() == ["p1-b1.csv", "p1-b2.csv"]
        assert archive.read("p1-b2.csv") == b"x\r\n"


def test_no_table_is_no_csv_and_an_empty_sheet() -> None:
    data = io.BytesIO()
    assert write_csv(pages(), data) == 0
    assert data.getvalue() == b""
    assert write_workbook(pages(), data) == 0
    assert load_workbook(data).worksheets[0].max_row == 1
