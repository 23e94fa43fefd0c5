"""hOCR and ALTO as XML parsers and their readers see them."""

from __future__ import annotations

from lxml import etree

from gateway.formats.alto import NAMESPACE, alto_frame, render_alto
from gateway.formats.hocr import hocr_frame, render_hocr
from gateway.labels import LABELS
from gateway.model import Block, PageResult, TextLine, Word

HTML = {"h": "http://www.w3.org/1999/xhtml"}
ALTO = {"a": NAMESPACE}
LINE = TextLine(
    text='Fish & "Chips" <now>',
    bbox=(10.5, 20.0, 200.0, 40.0),
    words=[
        Word(text="Fish", bbox=(10.5, 20.0, 50.0, 40.0), confidence=0.987),
        Word(text='& "Chips" <now>', bbox=(60.0, 20.0, 200.0, 40.0)),
    ],
    confidence=0.9,
    source="engine",
)


def page() -> PageResult:
    def block(number: int, label: str, content: str, lines: list[TextLine] | None) -> Block:
        bbox = (10, 20 * number, 210, 20 * number + 20)
        return Block(id=f"p3-b{number}", label=label, bbox=bbox, order=number, content=content, lines=lines)

    blocks = [
        block(1, "text", LINE.text, [LINE]),
        block(2, "table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td></td></tr></table>", None),
        block(3, "image", "", None),
        block(4, "text", "no places\nknown", None),
    ]
    return PageResult(page=3, width=800, height=600, dpi=200, markdown="", blocks=blocks)


def hocr() -> etree._Element:
    head, foot = hocr_frame("a<b>.pdf")
    return etree.fromstring(f"{head}{render_hocr(page())}{foot}".encode())


def alto() -> etree._Element:
    head, foot = alto_frame("a<b>.pdf")
    return etree.fromstring(f"{head}{render_alto(page())}{foot}".encode())


def test_hocr_tells_where_words_stand() -> None:
    [shown] = hocr().xpath("//h:div[@class='ocr_page']", namespaces=HTML)
    assert shown.get("title") == "bbox 0 0 800 600; ppageno 2; scan_res 200 200"
    words = hocr().xpath("//h:span[@class='ocr_line']/h:span[@class='ocrx_word']", namespaces=HTML)
    assert [word.text for word in words] == ["Fish", '& "Chips" <now>']
    assert words[0].get("title") == "bbox 10 20 50 40; x_wconf 99"
    assert "x_wconf" not in words[1].get("title")


def test_hocr_holds_all_blocks() -> None:
    classes = hocr().xpath("//h:div[@class='ocr_page']/h:div/@class", namespaces=HTML)
    assert classes == ["ocr_carea", "ocr_table", "ocr_image", "ocr_carea"]
    paragraphs = hocr().xpath("//h:p[not(h:span)]", namespaces=HTML)
    assert [" ".join("".join(one.itertext()).split()) for one in paragraphs] == ["a b c", "no places known"]


def test_alto_tells_where_words_stand() -> None:
    [line] = alto().xpath("//a:TextBlock[@ID='p3-b1']/a:TextLine", namespaces=ALTO)
    assert [(child.tag.rpartition("}")[2], child.get("CONTENT")) for child in line] == [
        ("String", "Fish"),
        ("SP", None),
        ("String", '& "Chips" <now>'),
    ]
    first = line[0]
    assert [first.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == ["10.5", "20", "39.5", "20"]
    assert (first.get("WC"), line[2].get("WC")) == ("0.99", None)


def test_alto_keeps_to_what_its_schema_orders() -> None:
    """ALTO 4.4: elements in the order of its sequences, ids that are unique, references that lead somewhere."""
    root = alto()
    names = [child.tag for child in root]
    assert names == [f"{{{NAMESPACE}}}{name}" for name in ("Description", "Tags", "Layout")]
    [shown] = root.xpath("//a:Page", namespaces=ALTO)
    assert (shown.get("PHYSICAL_IMG_NR"), shown.get("WIDTH"), shown.get("HEIGHT")) == ("3", "800", "600")
    ids = root.xpath("//@ID")
    assert len(ids) == len(set(ids))
    assert set(root.xpath("//@TAGREFS")) <= set(ids)
    assert set(root.xpath("//a:LayoutTag/@LABEL", namespaces=ALTO)) >= LABELS
    assert not root.xpath("//a:TextBlock[not(a:TextLine)]", namespaces=ALTO)
    assert not root.xpath("//a:TextLine[not(a:String)]", namespaces=ALTO)


def test_alto_gives_text_without_places_the_place_of_its_block() -> None:
    [line] = alto().xpath("//a:TextBlock[@ID='p3-b4']/a:TextLine", namespaces=ALTO)
    assert [one.get("CONTENT") for one in line] == ["no places known"]
    assert (line.get("HPOS"), line.get("VPOS"), line.get("WIDTH"), line.get("HEIGHT")) == ("10", "80", "200", "20")
