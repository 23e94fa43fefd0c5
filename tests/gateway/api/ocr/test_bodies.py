"""Bodies of `POST /ocr` as clients and proxies really send them."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Mapping

import httpx
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from tests.gateway.intake.files import pdf
from tests.support.answers import assert_problem
from tests.support.server import Gateway

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
