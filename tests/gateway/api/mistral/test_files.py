"""Mistral's `/v1/files`: uploaded, read by id and by signed URL, listed, deleted, and gone when their time is over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.api.mistral.conftest import FILES, assert_refused, ocr, upload
from tests.gateway.intake.files import pdf
from tests.support import local_http
from tests.support.server import Gateway

OTHER = {"authorization": "Bearer two"}


@pytest.fixture(autouse=True)
def _remove_files(served: Gateway) -> None:
    for file in served.client.get(FILES).json()["data"]:
        served.client.delete(f"{FILES}/{file['id']}")


def folders(served: Gateway) -> list[Path]:
    folder = served.service.settings.data_dir / "files"
    return list(folder.iterdir()) if folder.exists() else []


def test_a_file_is_read_by_its_id_and_by_its_url(served: Gateway) -> None:
    data = pdf(1)
    file = upload(served, data).json()
    assert (file["object"], file["bytes"], file["filename"]) == ("file", len(data), "a.pdf")
    assert (file["purpose"], file["sample_type"], file["mimetype"]) == ("ocr", "ocr_input", "application/pdf")
    url = served.client.get(f"{FILES}/{file['id']}/url").json()["url"]
    for document in ({"type": "file", "file_id": file["id"]}, {"type": "document_url", "document_url": url}):
        answer = ocr(served, document)
        assert answer.status_code == 200, answer.text
        assert answer.json()["pages"][0]["markdown"].startswith("Running head")


@pytest.mark.parametrize("kind", ["document_url", "image_url"])
def test_the_requests_of_librechat(served: Gateway, kind: str) -> None:
    """It streams the form, names images by `image_url` wherever they are, and deletes what it has uploaded."""
    data, boundary = (pdf(1), "--------------------------123")
    part = 'Content-Disposition: form-data; name="%s"'
    form = (
        f"--{boundary}\r\n{part % 'purpose'}\r\n\r\nocr\r\n--{boundary}\r\n{part % 'file'}; "
        f'filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n'
    )
    pieces = (form.encode(), data[:100], data[100:], f"\r\n--{boundary}--\r\n".encode())
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    file = served.client.post(FILES, content=iter(pieces), headers=headers).json()
    url = served.client.get(f"{FILES}/{file['id']}/url?expiry=24").json()["url"]
    answer = ocr(served, {"type": kind, kind: url}, image_limit=0, include_image_base64=False)
    (page,) = answer.json()["pages"]
    assert page["markdown"].startswith("Running head")
    assert page["images"] == []
    assert served.client.delete(f"{FILES}/{file['id']}").json()["deleted"]


def test_a_file_can_be_fetched_again(served: Gateway) -> None:
    data = pdf(1)
    file = upload(served, data).json()["id"]
    assert served.client.get(f"{FILES}/{file}/content").content == data
    url = served.client.get(f"{FILES}/{file}/url", params={"expiry": "1"}).json()["url"]
    fetched = local_http.get(url)
    assert (fetched.content, fetched.headers["content-type"]) == (data, "application/octet-stream")


def test_files_are_listed_and_deleted(served: Gateway) -> None:
    made = [upload(served, pdf(1)).json()["id"] for _ in range(3)]
    listed = served.client.get(FILES, params={"page": "0", "page_size": "2"}).json()
    assert (listed["object"], listed["total"]) == ("list", 3)
    assert [file["id"] for file in listed["data"]] == made[:0:-1]
    assert served.client.get(f"{FILES}/{made[0]}").json()["id"] == made[0]
    gone = served.client.delete(f"{FILES}/{made[0]}").json()
    assert gone == {"id": made[0], "object": "file", "deleted": True}
    assert_refused(served.client.get(f"{FILES}/{made[0]}"), 404)
    assert len(folders(served)) == 2


def test_each_key_sees_its_own(served: Gateway) -> None:
    file = upload(served, pdf(1)).json()["id"]
    assert served.client.get(FILES, headers=OTHER).json()["data"] == []
    for path in (f"{FILES}/{file}", f"{FILES}/{file}/content", f"{FILES}/{file}/url"):
        assert_refused(served.client.get(path, headers=OTHER), 404)
    assert_refused(served.client.delete(f"{FILES}/{file}", headers=OTHER), 404)
    assert_refused(served.client.post("/v1/ocr", json={"document": {"file_id": file}}, headers=OTHER), 404)
    assert served.client.get(f"{FILES}/{file}").status_code == 200


@pytest.mark.parametrize("file", ["0" * 32, "..", "a", "%2e%2e%2fjobs"])
def test_unknown_files(served: Gateway, file: str) -> None:
    answer = served.client.get(f"{FILES}/{file}/content")
    assert answer.status_code == 404
    assert_refused(ocr(served, {"file_id": file}), 404)


def test_links_that_were_changed_or_are_over(served: Gateway) -> None:
    file = upload(served, pdf(1)).json()["id"]
    url = served.client.get(f"{FILES}/{file}/url").json()["url"]
    changed = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert_refused(local_http.get(changed), 403)
    # What this service has not signed is somebody else's, and nothing of this machine is fetched.
    assert_refused(ocr(served, {"document_url": changed}), 400)
    base = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    past = served.app.state.links.sign(base, f"{FILES}/{file}/signed", time.time() - 1)
    assert_refused(local_http.get(past), 410)
    assert_refused(ocr(served, {"document_url": past}), 410)
    served.client.delete(f"{FILES}/{file}")
    assert_refused(local_http.get(url), 404)
    assert_refused(ocr(served, {"document_url": url}), 404)


def test_files_go_when_their_time_is_over(served: Gateway) -> None:
    file = upload(served, pdf(1), expiry="1").json()
    assert file["expires_at"] - file["created_at"] == pytest.approx(3600, abs=1)
    served.service.files.remove_expired(time.time() + 3590)
    assert len(folders(served)) == 1
    served.service.files.remove_expired(time.time() + 3610)
    assert folders(served) == []


def test_what_a_killed_process_left_goes_too(served: Gateway) -> None:
    broken = served.service.settings.data_dir / "files" / ("a" * 32)
    broken.mkdir(parents=True)
    (broken / "content").write_bytes(b"half")
    served.service.files.remove_expired(time.time())
    assert broken.exists()
    served.service.files.remove_expired(time.time() + 3600)
    assert not broken.exists()


def test_a_file_that_cannot_be_read_holds_up_no_other(served: Gateway) -> None:
    upload(served, pdf(1))
    broken = served.service.settings.data_dir / "files" / ("b" * 32)
    (broken / "file.json").mkdir(parents=True)
    (broken / "content").write_bytes(b"whole")
    served.service.files.remove_expired(time.time() + 1e9)
    assert folders(served) == [broken]
    (broken / "file.json").rmdir()
    served.service.files.remove_expired(time.time() + 1e9)


@pytest.mark.parametrize("fields", [{"expiry": "soon"}, {"expiry": "-1"}, {"purpose": "a" * 100}])
def test_forms_that_are_refused(served: Gateway, fields: dict[str, str]) -> None:
    assert_refused(upload(served, pdf(1), **fields), 422, *fields)
    assert folders(served) == []


def test_uploads_without_a_file(served: Gateway) -> None:
    bodies: list[dict[str, Any]] = [{"content": b""}, {"json": {}}, {"files": {"other": ("a", b"b")}}]
    for sent in bodies:
        assert_refused(served.client.post(FILES, **sent), 422, "file")
    assert_refused(upload(served, b""), 400)
    assert_refused(upload(served, bytes(3_000_000)), 413)
    assert folders(served) == []


def test_room_is_bounded(served: Gateway) -> None:
    answers = [upload(served, bytes(1_900_000)) for _ in range(2)]
    assert answers[0].status_code == 200
    assert_refused(answers[1], 507)
    assert len(folders(served)) == 1
