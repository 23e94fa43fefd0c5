"""The keys that the service knows, and a file of them that changes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ServiceError
from gateway.keys.keyring import Keyring


def hash_of(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def write(path: Path, text: str) -> Path:
    """Another file in its place, as platforms change a secret."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def test_keys_of_the_file_and_of_the_setting(path: Path) -> None:
    write(path, f"keys: [{{name: scans, hashes: ['{hash_of('one')}'], scopes: [jobs]}}]")
    keyring = Keyring(["plain"], path)
    found, plain = keyring.find("one"), keyring.find("plain")
    assert found is not None
    assert (found.name, list(found.scopes)) == ("scans", ["jobs"])
    assert plain is not None
    assert "admin" not in plain.scopes
    assert keyring.find("two") is None
    assert keyring.find_owner(found.owner) is found


def test_a_key_that_comes_back_has_its_documents(path: Path) -> None:
    """Those that began before it was taken out of the file, and go on."""
    key = f"keys: [{{name: scans, hashes: ['{hash_of('one')}'], limits: {{documents: 1}}}}]"
    keyring = Keyring([], write(path, key))
    before = keyring.find("one")
    assert before is not None
    with before.hold_document():
        write(path, "keys: []")
        keyring.reload()
        assert keyring.find("one") is None
        write(path, key)
        keyring.reload()
        after = keyring.find("one")
        assert after is not None
        with pytest.raises(ServiceError, match="1 documents"):
            after.hold_document().__enter__()
    with after.hold_document():
        pass


def test_rotation_keeps_the_owner_and_the_counts(path: Path) -> None:
    write(path, f"keys: [{{name: scans, hashes: ['{hash_of('old')}'], limits: {{pages_per_day: 5}}}}]")
    keyring = Keyring([], path)
    before = keyring.find("old")
    assert before is not None
    with before.hold_pages(3) as count:
        for _ in range(3):
            count()
    write(
        path, f"keys: [{{name: scans, hashes: ['{hash_of('old')}', '{hash_of('new')}'], limits: {{pages_per_day: 4}}}}]"
    )
    keyring.reload()
    after = keyring.find("new")
    assert after is not None
    assert (after.owner, after.pages_left()) == (before.owner, 1)
    assert keyring.find("old") is after
    write(path, f"keys: [{{name: scans, hashes: ['{hash_of('new')}']}}]")
    keyring.reload()
    assert keyring.find("old") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keys: [", "API_KEYS_FILE"),
        ("keys: [{name: 'a b', hashes: []}]", "keys.0.name"),
        (f"keys: [{{name: a, hashes: ['{'0' * 64}']}}]", "keys.0.hashes.0"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], scopes: [all]}}]", "scopes"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], limits: {{pages: 3}}}}]", "limits.pages"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}', '{hash_of('a')}']}}]", "twice"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], limits: {{documents: 0}}}}]", "limits.documents"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], limits: {{documents: -4}}}}]", "limits.documents"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], limits: {{documents: yes}}}}]", "limits.documents"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], limits: {{documents: {10**20}}}}}]", "limits.documents"),
        (f"keys: [{{name: a, hashes: ['{hash_of('a')}'], scopes: [ocr], scopes: [admin]}}]", "`scopes` is twice"),
        ("keys: []\nkeys: []", "`keys` is twice"),
        ("[" * 5000, "API_KEYS_FILE"),
        ("[]", "file"),
    ],
)
def test_a_broken_file_changes_nothing_and_is_told(path: Path, text: str, told: str) -> None:
    write(path, f"keys: [{{name: scans, hashes: ['{hash_of('one')}']}}]")
    keyring = Keyring([], path)
    write(path, text)
    keyring.reload()
    assert told in (keyring.reason or "")
    assert keyring.find("one") is not None
    write(path, "keys: []")
    keyring.reload()
    assert keyring.reason is None
    assert keyring.find("one") is None


def test_a_file_that_is_being_written_changes_nothing(path: Path) -> None:
    """By a program that empties it first, at any of whose steps it may be looked at."""
    keyring = Keyring([], write(path, f"keys: [{{name: scans, hashes: ['{hash_of('one')}']}}]"))
    steps = ["", "keys:\n", f"keys:\n- {{name: a, hashes: ['{hash_of('two')}']}}\n"]
    for text in steps:
        path.write_text(text)
        keyring.reload()
        assert keyring.find("one") is not None
        assert keyring.reason is None
    keyring.reload()
    assert keyring.find("one") is None
    assert keyring.find("two") is not None


def test_a_file_that_is_back_is_no_reason_to_complain(path: Path) -> None:
    """As on a network's file system that was away for a while."""
    keyring = Keyring([], write(path, f"keys: [{{name: scans, hashes: ['{hash_of('one')}']}}]"))
    away = path.rename(path.with_suffix(".away"))
    keyring.reload()
    assert keyring.reason is not None
    assert keyring.find("one") is not None
    away.rename(path)
    keyring.reload()
    assert keyring.reason is None
    assert keyring.find("one") is not None


@pytest.mark.parametrize("text", [None, "", "keys: []", "{"])
def test_a_file_without_keys_opens_nothing(path: Path, text: str | None) -> None:
    if text is not None:
        write(path, text)
    keyring = Keyring([], path)
    assert not keyring.is_open
    assert keyring.find("") is None


def test_a_key_that_the_command_makes(path: Path) -> None:
    command = [sys.executable, "-m", "supervision.cli", "create-key"]
    made = subprocess.run([*command, "scans", "--scopes", "ocr", "admin"], capture_output=True, text=True, check=True)
    told, entry = made.stdout.split("\n", 1)
    write(path, "keys:\n" + entry)
    account = Keyring([], path).find(told.rpartition(" ")[2])
    assert account is not None
    assert (account.name, sorted(account.scopes)) == ("scans", ["admin", "ocr"])
    refused = subprocess.run([*command, "two words"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
