"""Bodies of `POST /ocr` as clients and proxies really send them."""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import json
import socket
import zlib
from collections.abc import Callable, Mapping
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart

import httpx
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from tests.gateway.intake.files import pdf
from tests.support.answers import assert_problem
from tests.support.server import Gateway
from tests.support.waiting import WAIT_S

BOUNDARY = "=_part.7"
FORM = f'multipart/form-data; boundary="{BOUNDARY}"'


def form(
    *parts: tuple[str, bytes], before: bytes = b"", after: bytes = b"", kind: str = "Content-Type: image/png\r\n"
) -> bytes:
    """A multipart body of parts with the given Content-Disposition."""
    line = f"--{BOUNDARY}".encode()
    pieces = [
        b"%b\r\nContent-Disposition: %b\r\n%b\r\n%b\r\n" % (line, head.encode(), kind.encode(), data)
        for head, data in parts
    ]
    return before + b"".join(pieces) + line + b"--\r\n" + after


def send(served: Gateway, body: bytes, kind: str | None, headers: Mapping[str, str] = {}) -> httpx.Response:
    types = {} if kind is None else {"Content-Type": kind}
    return served.client.post("/ocr", content=body, headers={**types, **headers})


def name_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["document"]["name"])


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("form-data; name=\"file\"; filename*=UTF-8''%D0%90%D0%BA%D1%82.png", "Акт.png"),
        ("form-data; name=file; filename*=utf-8''a%20b.png", "a b.png"),
        ('form-data; name="file"; filename="=?utf-8?B?0JDQutGC?="; filename*=utf-8\'\'%D0%90', "А"),
        ('form-data; name="file"; filename="=?UTF-8?Q?=C3=84.png?="', "Ä.png"),
        ('form-data; name="file"; filename="Größe.png"', "Größe.png"),
        ('form-data; filename="first.png"; name="file"', "first.png"),
        ('FORM-DATA; NAME="file"; FILENAME="upper.png"', "upper.png"),
        ('form-data; name="file"', "document"),
        ('form-data; name="file"; filename=""', "document"),
        ('form-data; name="file"; filename="a \\"quoted\\" one.png"', 'a "quoted" one.png'),
    ],
)
def test_the_file_of_a_form_under_any_form_of_name(served: Gateway, png: bytes, disposition: str, name: str) -> None:
    assert name_of(send(served, form((disposition, png)), FORM)) == name


@pytest.mark.parametrize(
    "before", [b"\r\n", b"This is a message in MIME format.\r\n\r\n", b"x" * 5000 + b"\r\n", b"\n"]
)
def test_a_preamble_and_an_epilogue_are_ignored(served: Gateway, png: bytes, before: bytes) -> None:
    body = form(('form-data; name="file"; filename="a.png"', png), before=before, after=b"and nothing more\r\n")
    assert name_of(send(served, body, FORM)) == "a.png"


@pytest.mark.parametrize(
    "kind",
    [
        f"Multipart/Form-Data; charset=UTF-8; boundary={BOUNDARY}",
        f'multipart/form-data;boundary="{BOUNDARY}";charset="utf-8"',
        f"MULTIPART/FORM-DATA; BOUNDARY={BOUNDARY}",
    ],
)
def test_the_type_of_a_form_in_other_letters(served: Gateway, png: bytes, kind: str) -> None:
    kind = kind.replace(BOUNDARY, f'"{BOUNDARY}"') if '"' not in kind else kind
    assert name_of(send(served, form(('form-data; name="file"; filename="a.png"', png)), kind)) == "a.png"


@pytest.mark.parametrize(
    ("written", "rewritten"),
    [
        (b"; filename", b";\r\n filename"),
        (b"; filename", b";\r\n\tfilename"),
        (f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY} \t\r\n".encode()),
        (b"--\r\n", b"--  \r\nthe end"),
        (b"--\r\n", b"--"),
    ],
    ids=["folded", "folded by a tab", "blanks behind the delimiter", "blanks at the end", "no last line end"],
)
def test_a_form_with_white_space_that_mail_allows(
    served: Gateway, png: bytes, written: bytes, rewritten: bytes
) -> None:
    """RFC 2046 and RFC 5322 allow more of it than browsers write."""
    body = form(('form-data; name="file"; filename="a.png"', png)).replace(written, rewritten)
    assert name_of(send(served, body, FORM)) == "a.png"
    # However the bytes come.
    assert name_of(send_pieces(served, body, 7)) == "a.png"


def send_pieces(served: Gateway, body: bytes, size: int) -> httpx.Response:
    pieces = iter([body[at : at + size] for at in range(0, len(body), size)])
    return served.client.post("/ocr", content=pieces, headers={"Content-Type": FORM})


def test_data_that_looks_like_a_delimiter(served: Gateway) -> None:
    """Another boundary that begins with the form's own, as in a message within a message."""
    data = pdf(pages=1) + f"\r\n--{BOUNDARY}8\r\n\r\n--{BOUNDARY}8--\r\n".encode()
    answer = send(served, form(('form-data; name="file"; filename="a.pdf"', data)), FORM)
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_form_that_a_library_for_mail_has_written(served: Gateway, png: bytes) -> None:
    """Lines end with a line feed alone, headers are folded, the picture is base64."""
    message, part = MIMEMultipart("form-data", BOUNDARY), MIMEImage(png, "png")
    name = "a long name that needs a second line in the header of its part.png"
    part.add_header("Content-Disposition", "form-data", name="file", filename=name)
    message.attach(part)
    body = message.as_bytes().partition(b"\n\n")[2]
    assert b"\r\n" not in body
    assert name_of(send(served, body, FORM)) == name


def test_base64_that_is_none_in_a_form(served: Gateway) -> None:
    body = form(('form-data; name="file"', b"abcde"), kind="Content-Transfer-Encoding: base64\r\n")
    assert_problem(send(served, body, FORM), 400, "invalid_multipart")


def test_an_empty_input_beside_the_file(served: Gateway, png: bytes) -> None:
    """As browsers send an input in which nothing was chosen."""
    parts = ('form-data; name="stamp"; filename=""', b""), ('form-data; name="file"; filename="a.png"', png)
    assert name_of(send(served, form(*parts), FORM)) == "a.png"


def test_options_beside_a_file_without_a_plain_name(served: Gateway, png: bytes) -> None:
    parts = ("form-data; name=\"file\"; filename*=UTF-8''a.png", png), ('form-data; name="format"', b"markdown")
    answer = send(served, form(*parts, kind=""), FORM)
    assert answer.headers["content-type"].startswith("text/markdown")


@pytest.mark.parametrize(
    "body", [b"", b"no boundary at all", b"x" * 200_000, f"--{BOUNDARY}\r\nContent-Disp".encode()], ids=str
)
def test_a_broken_form_is_refused(served: Gateway, body: bytes) -> None:
    assert send(served, body, FORM).status_code == 400


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/x-pdf",
        "binary/octet-stream",
        "application/force-download",
        "APPLICATION/PDF; name=a.pdf",
        "application/x-www-form-urlencoded",
        "text/plain; charset=utf-8",
        "*/*",
    ],
)
def test_a_bare_document_under_any_type(served: Gateway, kind: str | None) -> None:
    answer = send(served, pdf(pages=1), kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"]["media_type"] == "application/pdf"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_what_is_no_document_is_refused_by_its_type(served: Gateway, kind: str) -> None:
    assert_problem(send(served, b"file=a.pdf&format=json", kind), 415, "unsupported_content_type")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", "text/json", None])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_json_in_any_unicode_encoding(served: Gateway, png: bytes, kind: str | None, encoding: str) -> None:
    if kind is None and not encoding.startswith("utf-8"):
        pytest.skip("bytes of which nothing is said, and which tell nothing themselves")
    body = json.dumps({"source": {"base64": base64.b64encode(png).decode(), "name": "план.png"}}, ensure_ascii=False)
    assert name_of(send(served, body.encode(encoding), kind)) == "план.png"


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "application/octet-stream"]
)
def test_json_under_the_types_of_curl_and_of_beacons(served: Gateway, png: bytes, kind: str) -> None:
    body = json.dumps({"source": {"base64": base64.b64encode(png).decode(), "name": "a.png"}}).encode()
    assert name_of(send(served, body, kind)) == "a.png"


@pytest.mark.parametrize(
    "encode",
    [
        base64.urlsafe_b64encode,
        lambda data: base64.b64encode(data).rstrip(b"="),
        lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    ],
    ids=["alphabet of URLs", "without padding", "both"],
)
def test_base64_as_tokens_have_it(served: Gateway, encode: Callable[[bytes], bytes]) -> None:
    for size in range(3):
        data = pdf(pages=1) + b"\n%\xff\xfe" + b"\xfb" * size
        answer = served.post(json={"source": {"base64": encode(data).decode()}})
        assert answer.json()["document"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_name_of_a_bare_document(served: Gateway, png: bytes) -> None:
    head = {"Content-Disposition": "attachment; filename*=UTF-8''%D0%90%D0%BA%D1%82.png"}
    assert name_of(send(served, png, "image/png", head)) == "Акт.png"


def test_a_name_in_parts_without_end(served: Gateway, png: bytes) -> None:
    """Python takes no number of so many digits."""
    head = {"Content-Disposition": f"attachment; filename*{'9' * 5000}=a"}
    assert send(served, png, "image/png", head).status_code == 200


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("X-Gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_body_that_is_packed_for_the_way(
    served: Gateway, png: bytes, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    head = {"Content-Encoding": coding}
    text = json.dumps({"source": {"base64": base64.b64encode(png).decode(), "name": "a.png"}}).encode()
    assert name_of(send(served, pack(text), "application/json", head)) == "a.png"
    assert name_of(send(served, pack(form(('form-data; name="file"; filename="a.png"', png))), FORM, head)) == "a.png"
    large = pdf(pages=1) + b"\n" * 1_000_000
    answer = send(served, pack(large), "application/pdf", head)
    assert answer.json()["document"]["sha256"] == hashlib.sha256(large).hexdigest()


def test_a_packed_body_that_can_not_be_unpacked(served: Gateway, png: bytes) -> None:
    packed = gzip.compress(png)
    for body in (packed[:-9], b"no gzip"):
        answer = send(served, body, "image/png", {"Content-Encoding": "gzip"})
        assert_problem(answer, 400, "invalid_content_encoding")
    answer = send(served, packed, "image/png", {"Content-Encoding": "br"})
    assert_problem(answer, 415, "unsupported_content_encoding")


def test_a_packed_body_is_measured_unpacked(served: Gateway) -> None:
    """A megabyte of zeros takes a kilobyte."""
    megabytes = int(served.service.settings.max_upload_mb) + 1
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()
    assert_problem(send(served, packed, "image/png", {"Content-Encoding": "gzip"}), 413, "body_too_large")


def test_a_packed_body_that_grows_beyond_measure(served: Gateway) -> None:
    answer = send(
        served, gzip.compress(pdf(pages=1) + bytes(3_000_000)), "application/pdf", {"Content-Encoding": "gzip"}
    )
    assert_problem(answer, 413, "body_too_large")
    assert "100 times" in answer.json()["detail"]


def test_a_body_of_several_members(served: Gateway) -> None:
    large = pdf(pages=1) + b"\n" * 100
    packed = gzip.compress(large[:300]) + gzip.compress(large[300:]) + bytes(512)
    answer = send(served, packed, "application/pdf", {"Content-Encoding": "gzip"})
    assert answer.json()["document"]["sha256"] == hashlib.sha256(large).hexdigest()
    answer = send(served, packed + b"more", "application/pdf", {"Content-Encoding": "gzip"})
    assert_problem(answer, 400, "invalid_content_encoding")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_the_coding_of_no_body(served: Gateway, method: str) -> None:
    for headers in ({}, {"Content-Length": "0"}):
        answer = served.client.request(method, "/health", headers={"Content-Encoding": "br", **headers})
        assert answer.status_code in (200, 405)
        assert answer.status_code == served.client.request(method, "/health").status_code


@pytest.mark.parametrize("coding", ["utf-8", "UTF8, identity", "windows-1251", "iso-8859-1"])
def test_codings_that_change_nothing(served: Gateway, png: bytes, coding: str) -> None:
    assert send(served, png, "image/png", {"Content-Encoding": coding}).status_code == 200


def test_several_codings(served: Gateway, png: bytes) -> None:
    packed = gzip.compress(zlib.compress(png))
    fields = [("Content-Encoding", "deflate"), ("Content-Encoding", "utf-8, gzip"), ("Content-Type", "image/png")]
    answer = served.client.post("/ocr", content=packed, headers=fields)
    assert answer.json()["document"]["sha256"] == hashlib.sha256(png).hexdigest()
    answer = send(served, packed, "image/png", {"Content-Encoding": ", ".join(["gzip"] * 4)})
    assert_problem(answer, 415, "unsupported_content_encoding")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_client_that_asks_for_http_2(served: Gateway, png: bytes, is_chunked: bool) -> None:
    """Java's does on the first request of a connection, and goes on with HTTP/1.1 where it is not heard."""
    settings = "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"
    asking = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: {settings}\r\n"
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(png)}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(png), png) if is_chunked else png
    head = f"POST /ocr?format=text HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n{framing}\r\n"
    with (
        socket.create_connection(("127.0.0.1", served.service.settings.port), WAIT_S) as client,
        client.makefile("rb") as answers,
    ):
        for request in (f"{head}{asking}\r\n".encode() + body, head.encode() + b"\r\n" + body):
            for piece in (request[: len(request) // 2], request[len(request) // 2 :]):
                client.sendall(piece)
            assert answers.readline().startswith(b"HTTP/1.1 200 ")
            length = next(int(line[15:]) for line in answers if line.lower().startswith(b"content-length:"))
            while answers.readline() != b"\r\n":
                pass
            assert b"line one" in answers.read(length)


def test_json_with_a_mark_in_the_dialect_of_paddlex(served: Gateway, png: bytes) -> None:
    body = codecs.BOM_UTF8 + json.dumps({"file": base64.b64encode(png).decode(), "fileType": 1}).encode()
    answer = served.client.post("/layout-parsing", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text


def test_an_encrypted_pdf_with_its_password(served: Gateway) -> None:
    data = pdf(pages=1, encrypt=StandardEncryption("öffne dich"))
    answers = [
        served.post(files={"file": ("a.pdf", data)}, data=options)
        for options in ({}, {"password": "nein"}, {"password": "öffne dich"})
    ]
    assert_problem(answers[0], 422, "password_required")
    assert_problem(answers[1], 422, "wrong_password")
    assert answers[2].status_code == 200, answers[2].text
    assert "öffne" not in answers[2].text
