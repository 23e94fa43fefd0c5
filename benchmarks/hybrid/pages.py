"""Scans whose text is known: OmniDocBench's samples, also badly scanned, made documents and pages in many languages.

What is drawn of the languages is the first article of the Universal Declaration of Human Rights, with words that hold
the letters which are each language's own.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import pypdfium2 as pdfium
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfgen.canvas import Canvas

from benchmarks.embedded.accuracy import DEGRADATIONS
from benchmarks.text_layer import make_documents
from gateway.model import Pixels
from tests.support.samples import omnidocbench
from tests.support.text_layers import HEIGHT, WIDTH

DPI = 144
DEGRADED = ("blur", "noise", "100 dpi fax")
SIZES = (9.5, 11.0, 12.0)
MARGIN, LEADING, REPEATED = 70.0, 1.35, 2
SEED = 17
FONT = "Arimo"

LANGUAGES: Mapping[str, str] = {
    "English": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité. L'œuvre du cœur, où çà et là.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
    "begabt und sollen einander im Geist der Brüderlichkeit begegnen. Größe, Maß, Übermut, Äpfel, Öl.",
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros. ¿Qué año? ¡Mañana!",
    "Portuguese": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
    "consciência, devem agir uns para com os outros em espírito de fraternidade. Ações, pães, avô, avó.",
    "Polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
    "rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa. Zażółć gęślą jaźń, łódź.",
    "Czech": "Všichni lidé se rodí svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a "
    "mají spolu jednat v duchu bratrství. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Hungarian": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és "
    "lelkiismerettel bírván, testvéri szellemben kell hogy viseltessenek. Árvíztűrő tükörfúrógép.",
    "Romanian": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu "
    "rațiune și conștiință și trebuie să se comporte în spiritul fraternității. Și țară, mâine, câți.",
    "Turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
    "birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. İstanbul, ığdır, çağ.",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con người đều "
    "được tạo hoá ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình anh em.",
    "Lithuanian": "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir sąžinė ir jie "
    "turi elgtis vienas kito atžvilgiu kaip broliai. Ąžuolas, ėjęs, šįryt, ūkis, žųgas.",
    "Latvian": "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti ar saprātu un "
    "sirdsapziņu, un viņiem jāizturas citam pret citu brālības garā. Ķīļi, ģimene, ņemt, šķēres.",
    "Finnish": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki "
    "ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä.",
    "Swedish": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete "
    "och bör handla gentemot varandra i en anda av broderskap. Ångström, öl.",
    "Icelandic": "Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum. Menn eru gæddir vitsmunum og "
    "samvisku, og ber þeim að breyta bróðurlega hverjum við annan. Þórður, æði, ýmis.",
    "Croatian": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena razumom i "
    "sviješću i trebaju jedna prema drugima postupati u duhu bratstva. Đak, čovjek, ćup, žaba.",
    "Maltese": "Il-bnedmin kollha jitwieldu ħielsa u ugwali fid-dinjità u d-drittijiet. Huma mogħnija bir-raġuni u "
    "bil-kuxjenza u għandhom iġibu ruħhom bi spirtu ta' aħwa. Żmien, ċavetta.",
    "Dutch": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen. Coëfficiënt.",
    "Esperanto": "Ĉiuj homoj estas denaske liberaj kaj egalaj laŭ digno kaj rajtoj. Ili posedas racion kaj "
    "konsciencon, kaj devus konduti unu al alia en spirito de frateco. Ŝaŭmo, ĵaŭdo, ĝojo, ĥoro.",
    "Russian": "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства. Объём, ёлка, № 5.",
    "Ukrainian": "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю "
    "і повинні діяти у відношенні один до одного в дусі братерства. Їжак, ґанок, єдність.",
    "Serbian": "Сва људска бића рађају се слободна и једнака у достојанству и правима. Она су обдарена разумом "
    "и свешћу и треба једни према другима да поступају у духу братства. Џеп, ђак, њива.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι "
    "με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
}


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A page without a text layer, and all its text in order."""

    name: str
    pixels: Pixels
    text: str


def sample_pages(degradation: str | None = None) -> Iterator[ScannedPage]:
    for file, truth in zip(*omnidocbench(), strict=True):
        pixels = np.asarray(cv2.imread(str(file)), dtype=np.uint8)
        if degradation:
            pixels = DEGRADATIONS[degradation](pixels)
        texts = [
            box.get("text") or box.get("latex") or box.get("html") or "" for box in _in_order(truth["layout_dets"])
        ]
        yield ScannedPage(file.stem, np.ascontiguousarray(pixels[:, :, ::-1]), "\n".join(texts))


def _in_order(boxes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(boxes, key=lambda box: (box.get("order") is None, box.get("order") or 0))


def document_pages(count: int) -> Iterator[ScannedPage]:
    """Made documents of `count` pages each, in several fonts, as a scanner sees them."""
    dice = np.random.default_rng(SEED)
    for name, data, texts in make_documents(count):
        for at, text in enumerate(texts):
            yield ScannedPage(f"{name}, page {at + 1}", scan(_render(data, at), dice), text)


def language_pages() -> Iterator[ScannedPage]:
    """A page in each language: one as it is drawn, the next as a scanner sees it."""
    font = files("fontpkg_arimo").joinpath("files", "Arimo[wght].ttf")
    pdfmetrics.registerFont(ttfonts.TTFont(FONT, io.BytesIO(font.read_bytes())))
    dice = np.random.default_rng(SEED)
    sizes = random.Random(SEED)
    for number, (language, text) in enumerate(LANGUAGES.items()):
        data, drawn = _write_page([text] * REPEATED, sizes.choice(SIZES))
        pixels = _render(data)
        yield ScannedPage(language, scan(pixels, dice) if number % 2 else pixels, drawn)


def scan(pixels: Pixels, dice: np.random.Generator) -> Pixels:
    """As a scanner gives a page: turned a little, soft, on grey paper, with noise, as JPEG."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), dice.uniform(-0.6, 0.6), 1)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderValue=(255, 255, 255))
    soft = cv2.GaussianBlur(turned, (0, 0), dice.uniform(0.4, 0.9)).astype(np.float32)
    grey = soft * dice.uniform(0.85, 0.95) + dice.normal(0, dice.uniform(4, 10), soft.shape) + 8
    _, data = cv2.imencode(".jpg", grey.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def _write_page(paragraphs: Sequence[str], size: float) -> tuple[bytes, str]:
    """PDF, and its lines."""
    stream, drawn, baseline = io.BytesIO(), [], HEIGHT - MARGIN
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT))
    canvas.setFont(FONT, size)
    for paragraph in paragraphs:
        for line in _wrap(paragraph, size):
            canvas.drawString(MARGIN, baseline, line)
            drawn.append(line)
            baseline -= LEADING * size
        baseline -= LEADING * size
    canvas.save()
    return stream.getvalue(), "\n".join(drawn)


def _wrap(text: str, size: float) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if pdfmetrics.stringWidth(longer, FONT, size) > WIDTH - 2 * MARGIN:
            yield line
            longer = word
        line = longer
    yield line


def _render(data: bytes, page: int = 0) -> Pixels:
    picture = pdfium.PdfDocument(data)[page].render(scale=DPI / 72).to_pil()
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)
