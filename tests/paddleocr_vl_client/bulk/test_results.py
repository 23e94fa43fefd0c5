"""Names of results: none is that of another file, and none stands where another one needs a folder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddleocr_vl_client.bulk.results import escape_key, json_name, markdown_name

PARTS = st.sampled_from(["a", "a.pdf", "a.pdf.md", "a.pdf.json", "a.pdf.md%", "..", ".", "", "%", "%25", "ä" * 150])
KEYS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/".join([*parts, "b.pdf"])) | st.lists(
    PARTS, min_size=1, max_size=4
).map("/".join)


def folders_of(name: str) -> set[str]:
    parts = name.split("/")
    return {"/".join(parts[:end]) for end in range(1, len(parts))}


@given(KEYS, KEYS)
def test_results_of_two_keys_do_not_collide(one: str, other: str) -> None:
    if one == other:
        return
    mine, others = {json_name(one), markdown_name(one)}, {json_name(other), markdown_name(other)}
    assert not mine & others
    assert not any(mine & folders_of(name) for name in others)


@given(KEYS)
def test_a_name_is_one_that_every_file_system_takes(key: str) -> None:
    parts = escape_key(key).split("/")
    assert not {"", ".", ".."} & set(parts)
    assert all(len(part.encode()) <= 240 for part in parts)


def test_usual_names_stay_as_they_are() -> None:
    assert escape_key("2024/März/invoice no. 7.pdf") == "2024/März/invoice no. 7.pdf"
