"""Webhooks over real sockets: signed, sent again until they are taken, and only where URLs may lead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import RedirectResponse, Response

from gateway.errors import ServiceError
from gateway.jobs.webhooks import RETRY_DELAYS_S, WebhookMessage, WebhookSender
from gateway.settings import Settings
from tests.gateway.api.jobs.test_routes import submit
from tests.support import local_http
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import SECRET, Receiver, receiver

NEW_SECRET = SECRET.replace("A", "B")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    secrets = f"{NEW_SECRET}, {SECRET}"
    with gateway(folder, jobs=True, api_keys="one", url_fetch="any", webhook_secret=secrets) as running:
        running.client.headers["x-api-key"] = "one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    return _running


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def test_a_message_is_sent_until_it_is_taken(served: Gateway, told: Receiver, png: bytes) -> None:
    told.answers.append(Response(status_code=500))
    job = submit(served, png, batch="b", webhook=f"{told.url}/hook?token=1").json()
    wait_until(lambda: told.of_job(job["id"]), "the message")
    (message,) = told.of_job(job["id"])
    assert message["type"] == "job.done"
    assert (message["data"]["state"], message["data"]["name"], message["data"]["batch"]) == ("done", "a.tiff", "b")
    assert len(told.attempts) == 2
    assert len(set(told.attempts)) == 1
    assert told.refused == []
    result = local_http.get(message["data"]["links"]["result"])
    assert result.json()["pages"][0]["blocks"][0]["content"] == "line one\nline two"


def test_secrets_may_be_changed_over(served: Gateway, told: Receiver, png: bytes) -> None:
    told.secret = NEW_SECRET
    job = submit(served, png, webhook=told.url).json()
    wait_until(lambda: told.of_job(job["id"]) or told.refused, "the message")
    assert told.refused == []


def test_a_failed_and_a_cancelled_job_are_told_of(served: Gateway, told: Receiver, png: bytes) -> None:
    failed = submit(served, b"%PDF-1.4 nothing", name="a.pdf", webhook=told.url).json()["id"]
    wait_until(lambda: told.of_job(failed), "the failure")
    (message,) = told.of_job(failed)
    assert message["type"] == "job.failed"
    assert message["data"]["error"]["code"] == served.client.get(f"/jobs/{failed}").json()["error"]["code"]
    served.engine.answer = lambda _request: Reply("late", delay_s=3600)
    cancelled = submit(served, png, webhook=told.url).json()["id"]
    wait_until(lambda: served.engine.running, "calls")
    assert served.client.delete(f"/jobs/{cancelled}").status_code == 204
    wait_until(lambda: told.of_job(cancelled), "the cancellation")
    assert [message["type"] for message in told.of_job(cancelled)] == ["job.cancelled"]
    assert served.client.delete(f"/jobs/{failed}").status_code == 204
    assert len(told.of_job(failed)) == 1


async def test_the_address_is_checked_at_delivery_too(told: Receiver) -> None:
    message = WebhookMessage(id="msg_1", url=told.url, body="{}")
    strict, lax = (
        WebhookSender(Settings(_env_file=None, url_fetch=rule, webhook_secret=SECRET)) for rule in ("public", "any")
    )
    assert await strict.deliver(message, 0) is not None
    assert told.attempts == []
    assert await lax.deliver(message, 0) is None
    assert told.attempts == ["msg_1"]


async def test_a_redirect_is_not_followed(told: Receiver) -> None:
    sender = WebhookSender(Settings(_env_file=None, url_fetch="any", webhook_secret=SECRET))
    told.answers.append(RedirectResponse(f"{told.url}/elsewhere"))
    assert await sender.deliver(WebhookMessage(id="msg_1", url=told.url, body="{}"), 0) is not None
    assert told.attempts == ["msg_1"]


async def test_attempts_end(told: Receiver) -> None:
    sender = WebhookSender(Settings(_env_file=None, url_fetch="any", webhook_secret=SECRET))
    message = WebhookMessage(id="msg_1", url=told.url, body="{}")
    told.answers.extend(Response(status_code=status) for status in (503, 503, 410))
    delays = [await sender.deliver(message, attempt) for attempt in (0, 5, 0)]
    assert delays[0] is not None
    assert delays[1] is not None
    assert delays[0] < 10 < 3600 < delays[1]
    assert delays[2] is None
    told.answers.append(Response(status_code=503))
    assert await sender.deliver(message, len(RETRY_DELAYS_S)) is None


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://127.0.0.1/", "public"),
        ("http://10.0.0.1/hook", "public"),
        ("http://93.184.215.14:8080/", "public"),
        ("http://169.254.169.254/", "any"),
        ("ftp://example.com/", "any"),
        ("http://user:word@127.0.0.1/", "any"),
        ("nonsense", "any"),
        ("http://127.0.0.1/", "off"),
        ("http://127.0.0.1/" + "a" * 2000, "any"),
    ],
)
async def test_what_may_not_be_called(url: str, rule: str) -> None:
    settings = Settings.model_validate({"url_fetch": rule, "webhook_secret": SECRET})
    with pytest.raises(ServiceError) as caught:
        await WebhookSender(settings).require_allowed(url)
    assert (caught.value.status, caught.value.code) == (422, "webhook_not_allowed")


def test_a_secret_is_one_of_standard_webhooks(tmp_path: Path) -> None:
    for wrong in ("secret", "whsec_short", "whsec_" + "A" * 200, f"{SECRET},x"):
        with pytest.raises(ValueError, match="whsec_"):
            Settings.model_validate({"data_dir": tmp_path, "webhook_secret": wrong})
