"""The keys that the service knows: those of `API_KEYS`, and those of `API_KEYS_FILE`, which may change while it runs.

The file holds SHA-256 digests. That is enough: keys are random, so nobody finds one by trying words, and a request's
key is looked up by its digest, whose time tells nothing of the keys.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakValueDictionary

import structlog
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from gateway.keys.accounts import Account, KeyLimits, KeyUsage, Scope, Stored

RELOAD_S = 2.0
"""How often the file is looked at."""
MAX_NAMES = 100
"""That metrics tell apart."""
MAX_FILE_BYTES = 16_000_000
ALL_BUT_ADMIN: frozenset[Scope] = frozenset({"ocr", "chat", "jobs"})
NAME = r"[A-Za-z0-9._-]{1,64}"
_Hash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

_Stamp = tuple[int, int, int, int]
"""Device and number of a file, when it was changed, and its size."""

log = structlog.get_logger(__name__)


class _Loader(yaml.CSafeLoader):
    """Refuses what stands twice in a mapping, where YAML would silently take the last: lists of keys, a key's scopes.

    The parser in C, because other threads wait for this one: 2,000 keys take it 0.7 s, and the one in Python 2.7 s.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"`{twice[0]}` is twice in what begins in line {node.start_mark.line + 1}")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class KeyEntry(BaseModel):
    """One key of the file. Several hashes are several keys of one holder: the old and the new one of a rotation."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=f"^{NAME}$")
    hashes: list[_Hash] = Field(min_length=1, max_length=8)
    scopes: frozenset[Scope] = ALL_BUT_ADMIN
    expires: datetime | None = None
    limits: KeyLimits = KeyLimits()

    @field_validator("expires")
    @classmethod
    def _set_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[KeyEntry] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _require_unique(self) -> KeyFile:
        for what, values in (("name", [key.name for key in self.keys]), ("hash", self._hashes())):
            if len(set(values)) < len(values):
                raise ValueError(f"a {what} is there twice")
        return self

    def _hashes(self) -> list[str]:
        return [one for key in self.keys for one in key.hashes]


class Keyring:
    """Looked at in the event loop; `reload` blocks and belongs into a thread. `plain`: keys of `API_KEYS`.

    `reason`: why the file as it is now can't be used; the keys that it held before are known on.
    """

    def __init__(self, plain: Iterable[str], path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self.clock = clock
        self._plain = {digest_of(key): _plain_account(key, clock) for key in plain}
        self._by_name: dict[str, Account] = {}
        self._in_use: WeakValueDictionary[str, Account] = WeakValueDictionary()
        """Those of the file by name, and those that were taken out of it for as long as a request goes on with one."""
        self._by_digest = dict(self._plain)
        self._by_owner = {account.owner: account for account in self._plain.values()}
        self._seen: _Stamp | None = None
        self._unfinished: _Stamp | None = None
        """The file while somebody may be writing it."""
        self._on_change: Callable[[Account], None] | None = None
        self.reason: str | None = None
        self.reload()

    def __len__(self) -> int:
        return len(self._by_digest)

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for. A file that is empty or broken opens nothing."""
        return not self._plain and self._path is None

    def find(self, key: str) -> Account | None:
        return self._by_digest.get(digest_of(key))

    def find_owner(self, owner: str) -> Account | None:
        """Whose jobs these are; None where the key is known no more."""
        return self._by_owner.get(owner)

    def usage(self) -> list[KeyUsage]:
        return [account.usage() for account in self.accounts()]

    def totals(self, count: Callable[[Account], int]) -> dict[str, float]:
        """What `count` gives, by the names of the first `MAX_NAMES` keys; of all others together as `others`."""
        totals: dict[str, float] = {}
        for at, account in enumerate(self.accounts()):
            name = account.name if at < MAX_NAMES else "others"
            totals[name] = totals.get(name, 0) + count(account)
        return totals

    def accounts(self) -> list[Account]:
        """Those of the file in its order, then the others, each once."""
        return [*self._by_name.values(), *self._plain.values()]

    def set_stored(self, kind: Stored, found: Mapping[str, Mapping[str, int]], begun: float) -> None:
        """What is kept of each owner, as the store was found by a look that began then: bytes by id."""
        for account in self._by_name.values():
            account.set_stored(kind, found.get(account.owner, {}), begun)

    @property
    def limits_storage(self) -> bool:
        return any(account.limits.bytes_stored is not None for account in self._by_name.values())

    def share(self, on_change: Callable[[Account], None]) -> None:
        """Has `on_change` called, in the event loop, for each key of the file that has counted something."""
        self._on_change = on_change
        for account in self._by_name.values():
            account.share(on_change)

    def reload(self) -> None:
        """Takes over what has changed in the file. Never raises."""
        if self._path is None:
            return
        try:
            seen = _stamp(self._path)
            if seen == self._seen or self._may_be_unfinished(seen):
                return
            content = _read(self._path)
            self._seen = seen  # also of what can't be used: it is not read again until it is another
            entries = _parse(content).keys
        except OSError as error:
            self._seen = None
            self._tell(f"API_KEYS_FILE can't be used: {error.strerror or type(error).__name__}")
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            self._tell(f"API_KEYS_FILE can't be used: {_describe_error(error)}")
        else:
            self._take_over(entries)
            self._tell(None)
            log.info("keys", keys=len(entries))

    def _may_be_unfinished(self, seen: _Stamp) -> bool:
        """Whether the file that was read last has been written into since, and was another at the look before: what is
        there may be no more than its beginning. A file that was put in its place is whole."""
        if self._seen is None or seen[:2] != self._seen[:2] or seen == self._unfinished:
            return False
        self._unfinished = seen
        return True

    def _take_over(self, entries: list[KeyEntry]) -> None:
        """What a key has used is kept while its name stays, or is back before its last document has ended."""
        accounts = {entry.name: self._update(entry) for entry in entries}
        digests = {one.removeprefix("sha256:"): accounts[entry.name] for entry in entries for one in entry.hashes}
        self._by_name = accounts
        self._by_digest = self._plain | digests
        self._by_owner = {account.owner: account for account in self._by_digest.values()}

    def _update(self, entry: KeyEntry) -> Account:
        account = self._in_use.get(entry.name) or Account(entry.name, _owner_of_name(entry.name), frozenset())
        self._in_use[entry.name] = account
        account.scopes, account.limits, account.expires = entry.scopes, entry.limits, entry.expires
        account.clock = self.clock
        if self._on_change is not None:
            account.share(self._on_change)
        return account

    def _tell(self, reason: str | None) -> None:
        if reason and reason != self.reason:
            log.warning("keys", reason=reason)
        self.reason = reason


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _plain_account(key: str, clock: Callable[[], float]) -> Account:
    """Named by its digest: it has no other name that may be told."""
    return Account(f"key-{digest_of(key)[:8]}", digest_of(key)[:32], ALL_BUT_ADMIN, clock=clock)


def _owner_of_name(name: str) -> str:
    return digest_of(f"name\n{name}")[:32]


def _stamp(path: Path) -> _Stamp:
    """Another one when the file is another; secrets that a platform mounts are replaced by links."""
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _read(path: Path) -> bytes:
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 10**6} MB")
    return path.read_bytes()


def _parse(content: bytes) -> KeyFile:
    loaded = yaml.load(content, _Loader)
    return KeyFile.model_validate({"keys": []} if loaded is None else loaded)


def _describe_error(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition("\n")[0][:200]
