"""Where parts of a text are found in it."""

from __future__ import annotations

from gateway.api.azure.content import Content, Segment


def cut(text: str, segment: Segment, words: str) -> str:
    span = segment.find(words)
    return text[span["offset"] : span["offset"] + span["length"]]


def test_the_same_words_are_found_one_after_the_other() -> None:
    content = Content("unicodeCodePoint")
    content.add("before ")
    segment = content.add("one two one")
    offsets = [segment.find(word)["offset"] for word in ("one", "two", "one")]
    assert offsets == [7, 11, 15]
    segment.rewind()
    assert segment.find("one")["offset"] == 7


def test_lines_of_cells_side_by_side_are_all_found() -> None:
    """Lines go across the table, its text cell by cell."""
    text = "left\nbelow\nright\nunder"
    segment = Content("unicodeCodePoint").add(text)
    assert [cut(text, segment, word) for word in ("left", "right", "below", "under")] == [
        *("left", "right", "below", "under")
    ]


def test_words_apart_are_one_place() -> None:
    text = "<td>two<br>words</td>"
    segment = Content("unicodeCodePoint").add(f"<table>{text}</table>")
    assert cut(f"<table>{text}</table>", segment, "two words") == "two<br>words"


def test_the_names_of_tags_are_no_words() -> None:
    text = "<table><tr><td>t</td><td>tr</td></tr></table>"
    segment = Content("unicodeCodePoint").add(text)
    assert [segment.find(word)["offset"] for word in ("t", "tr")] == [text.index(">t<") + 1, text.index(">tr<") + 1]


def test_what_is_not_there_has_no_length_and_moves_nothing() -> None:
    segment = Content("unicodeCodePoint").add("one two")
    assert segment.find("three")["length"] == 0
    assert segment.find("two") == {"offset": 4, "length": 3}


def test_a_word_far_away_is_not_looked_for() -> None:
    segment = Content("unicodeCodePoint").add("a" + " " * 5000 + "b")
    assert segment.find("b")["length"] == 0
