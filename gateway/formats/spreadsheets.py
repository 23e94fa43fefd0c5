"""A document's tables as a workbook and as CSV. Runs in conversion workers only."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from openpyxl import Workbook
from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from gateway.assembly.tables.html import IMAGE, chart_to_html, table_cells, table_rows
from gateway.model import PageResult

_NUMBER = re.compile(r"(?!-0(?:\.0+)?\Z)(?!(?:\D*\d){16})-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
"""What is a number in every language and loses nothing as one: no leading zeros, no minus before zero, no separators
of thousands, no more digits than Excel has."""
_MAX_TEXT = 32_767
"""Characters of a cell, at most, in Excel; it opens no sheet of more rows and columns than these."""
_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_workbook(pages: Sequence[PageResult], output: BinaryIO) -> int:
    """Writes an XLSX file with a sheet for each table, named by its block; gives the number of tables.

    Cells that span rows or columns are merged. What is a number in any language is one; all else is text, also what
    looks like a formula. A document without tables gives one empty sheet.
    """
    workbook = Workbook()
    first = workbook.worksheets[0]
    count = 0
    for block_id, table in _tables(pages):
        _write_sheet(workbook.create_sheet(block_id[:31]), table)
        count += 1
    if count:
        workbook.remove(first)
    workbook.save(output)
    return count


def write_csv(pages: Sequence[PageResult], output: BinaryIO) -> int:
    """Writes the document's only table as CSV (RFC 4180, UTF-8), several as a ZIP archive of such files, named by their
    blocks; nothing where there is none. Gives the number of tables. A cell that spans several places stands in the
    first."""
    tables = list(_tables(pages))
    if len(tables) == 1:
        output.write(_csv(tables[0][1]))
    elif tables:
        with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
            for block_id, table in tables:
                archive.writestr(f"{block_id}.csv", _csv(table))
    return len(tables)


def _tables(pages: Sequence[PageResult]) -> Iterator[tuple[str, str]]:
    """Id and HTML of each table and of each chart that was read as one."""
    for page in pages:
        for block in page.blocks:
            table = chart_to_html(block.content) if block.label == "chart" else block.content
            if block.label in ("table", "chart") and table.startswith("<table>"):
                yield block.id, table


def _csv(table: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(table_rows(table))
    return text.getvalue().encode()


def _write_sheet(sheet: Worksheet, table: str) -> None:
    rows, columns, cells = table_cells(table)
    for cell in cells:
        if cell.row >= _MAX_ROWS or cell.column >= _MAX_COLUMNS:
            continue
        place = sheet.cell(cell.row + 1, cell.column + 1)
        text = _INVALID.sub("", IMAGE.sub("", cell.text)).strip()[:_MAX_TEXT]
        if _NUMBER.fullmatch(text):
            place.value = float(text) if "." in text else int(text)
            # As printed: 1.10 is no 1.1, and a long number no 1.2E+14.
            decimals = len(text.partition(".")[2])
            place.number_format = f"0.{'0' * decimals}" if decimals else "0"
        elif text:
            place.value = text
            place.data_type = "s"
        if "\n" in text:
            place.alignment = Alignment(wrap_text=True)
        if cell.rows > 1 or cell.columns > 1:
            sheet.merge_cells(
                start_row=cell.row + 1,
                start_column=cell.column + 1,
                end_row=min(cell.row + cell.rows, _MAX_ROWS, rows),
                end_column=min(cell.column + cell.columns, _MAX_COLUMNS, columns),
            )
