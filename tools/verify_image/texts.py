"""Every sentence of the report in both languages. Braces hold what was measured or said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "ru"]
Text = Mapping[Language, str]

TITLE: Text = {"en": "Verification of {image}", "ru": "Проверка образа {image}"}
HEADER: Text = {
    "en": "{when}; run by {engine} on {cpus} cores ({machine}); GPU: {gpu}.",
    "ru": "{when}; запускает {engine}, ядер: {cpus} ({machine}); GPU: {gpu}.",
}
NO_GPU: Text = {"en": "none", "ru": "нет"}
CHECK: Text = {"en": "check", "ru": "проверка"}
WHY: Text = {"en": "Why", "ru": "Почему"}
VERDICT: Mapping[bool, Text] = {
    True: {"en": "Nothing failed.", "ru": "Ошибок нет."},
    False: {"en": "{count} checks failed.", "ru": "Не пройдено проверок: {count}."},
}

SCENARIOS: Mapping[str, Text] = {
    "default": {"en": "as it is", "ru": "как есть"},
    "root": {"en": "root", "ru": "root"},
    "any-user": {"en": "user 12345:0", "ru": "пользователь 12345:0"},
    "read-only": {"en": "read-only", "ru": "только чтение"},
    "offline": {"en": "offline", "ru": "без сети"},
    "homeless": {"en": "12345:0, no HOME", "ru": "12345:0, без HOME"},
    "gpu": {"en": "with a GPU", "ru": "с GPU"},
    "no-gpu": {"en": "vLLM wanted, no GPU", "ru": "нужен vLLM, GPU нет"},
}

CHECKS: Mapping[str, Text] = {
    "start": {"en": "gateway starts", "ru": "запуск шлюза"},
    "engine": {"en": "engine ready", "ru": "готовность движка"},
    "health": {"en": "probes tell the truth", "ru": "пробы говорят правду"},
    "example": {"en": "first document", "ru": "первый документ"},
    "russian": {"en": "Russian document", "ru": "русский документ"},
    "port": {"en": "port", "ru": "порт"},
    "user": {"en": "user", "ru": "пользователь"},
    "pages": {"en": "web pages", "ru": "веб-страницы"},
    "folders": {"en": "folders", "ru": "папки"},
    "imports": {"en": "imports", "ru": "импорты"},
    "nccl": {"en": "NCCL", "ru": "NCCL"},
    "doctor": {"en": "doctor", "ru": "доктор"},
    "stop": {"en": "SIGTERM", "ru": "SIGTERM"},
    "log": {"en": "log", "ru": "журнал"},
}

TEXTS: Mapping[str, Text] = {
    "start.ok": {"en": "{seconds:.1f} s", "ru": "{seconds:.1f} с"},
    "start.ended": {
        "en": "The container ended with exit code {code}. Its last words: {words}",
        "ru": "Контейнер завершился с кодом {code}. Последняя строка журнала: {words}",
    },
    "start.silent": {
        "en": "Nothing answers on port {port} after {seconds:.0f} s. The log ends with: {words}",
        "ru": "На порту {port} нет ответа через {seconds:.0f} с. Последняя строка журнала: {words}",
    },
    "start.refused": {"en": "The container could not be started: {words}", "ru": "Контейнер не запущен: {words}"},
    "engine.ok": {"en": "{seconds:.1f} s, {engine}", "ru": "{seconds:.1f} с, {engine}"},
    "engine.unready": {
        "en": "Not ready after {seconds:.0f} s: {reasons}",
        "ru": "Не готов через {seconds:.0f} с: {reasons}",
    },
    "engine.refused": {"en": "says why not: {reason}", "ru": "сообщает причину: {reason}"},
    "engine.no-reason": {
        "en": "The engine is {state}, and /health does not say why (vlm.reason is empty).",
        "ru": "Движок в состоянии {state}, а /health не говорит почему (vlm.reason пуст).",
    },
    "engine.undecided": {
        "en": "The engine is still {state} after {seconds:.0f} s and has not been given up: {reason}",
        "ru": "Движок через {seconds:.0f} с всё ещё в состоянии {state}, отказа нет: {reason}",
    },
    "health.ok": {"en": "{early} at first, then ready", "ru": "сначала {early}, затем готов"},
    "health.unready": {"en": "alive, not ready", "ru": "жив, не готов"},
    "health.silent": {
        "en": "/readyz answers {status} without a reason.",
        "ru": "/readyz отвечает {status} без причины.",
    },
    "health.not-alive": {
        "en": "/livez answers {status} while the engine loads.",
        "ru": "/livez отвечает {status}, пока движок загружается.",
    },
    "health.contradiction": {
        "en": "The probes contradict /health, which says {status}: {told}.",
        "ru": "Пробы противоречат /health, где стоит {status}: {told}.",
    },
    "reading.ok": {"en": "{seconds:.1f} s, {percent:.1f} % right", "ru": "{seconds:.1f} с, верно {percent:.1f} %"},
    "reading.faulty": {
        "en": "Only {percent:.1f} % of the text is right ({seconds:.1f} s).",
        "ru": "Верно только {percent:.1f} % текста ({seconds:.1f} с).",
    },
    "reading.wrong": {
        "en": "The text is wrong: {percent:.1f} % of it is that of the example.",
        "ru": "Текст неверен: с примером совпадает {percent:.1f} %.",
    },
    "reading.refused": {"en": "/ocr answers {status}: {answer}", "ru": "/ocr отвечает {status}: {answer}"},
    "reading.unanswered": {"en": "/ocr does not answer: {error}", "ru": "/ocr не отвечает: {error}"},
    "port.ok": {"en": "{port}", "ru": "{port}"},
    "port.closed": {"en": "Nothing listens on {port} inside.", "ru": "Внутри никто не слушает порт {port}."},
    "port.local": {
        "en": "Port {port} is open to loopback only; no platform reaches it there.",
        "ru": "Порт {port} открыт только для loopback, платформе он недоступен.",
    },
    "port.open-engine": {
        "en": "The engine's port {port} is open to everybody, without keys and limits.",
        "ru": "Порт движка {port} открыт всем, без ключей и ограничений.",
    },
    "user.ok": {"en": "{user}", "ru": "{user}"},
    "user.wrong": {
        "en": "The gateway runs as {found}, not as {wished}.",
        "ru": "Шлюз работает от имени {found}, а не {wished}.",
    },
    "pages.ok": {"en": "{count} answer", "ru": "отвечают {count}"},
    "pages.wrong": {"en": "{path} answers {status} {kind}", "ru": "{path} отвечает {status} {kind}"},
    "folders.ok": {"en": "writable", "ru": "доступны для записи"},
    "folders.unwritable": {
        "en": "{name} can't be written: {error}",
        "ru": "{name} недоступна для записи: {error}",
    },
    "imports.ok": {"en": "gateway", "ru": "шлюз"},
    "imports.vllm-ok": {"en": "gateway; {versions}", "ru": "шлюз; {versions}"},
    "imports.gateway": {"en": "In the gateway's environment: {words}", "ru": "В окружении шлюза: {words}"},
    "imports.vllm": {"en": "In vLLM's environment: {words}", "ru": "В окружении vLLM: {words}"},
    "nccl.none": {"en": "no vLLM", "ru": "нет vLLM"},
    "nccl.said": {"en": "{told}", "ru": "{told}"},
    "nccl.unexamined": {
        "en": "The doctor did not get as far as NCCL: without a driver torch is not loaded.",
        "ru": "До NCCL доктор не дошёл: без драйвера torch не загружается.",
    },
    "doctor.ok": {"en": "{count} checks right", "ru": "верно проверок: {count}"},
    "doctor.warn": {"en": "The doctor warns: {told}", "ru": "Доктор предупреждает: {told}"},
    "doctor.fail": {"en": "The doctor finds: {told}", "ru": "Доктор находит: {told}"},
    "doctor.refused": {"en": "names it: {names}", "ru": "называет: {names}"},
    "stop.ok": {"en": "exit code 0 after {seconds:.1f} s", "ru": "код 0 через {seconds:.1f} с"},
    "stop.before": {
        "en": "It had ended before it was told to, with exit code {code}.",
        "ru": "Завершился раньше, чем его остановили, с кодом {code}.",
    },
    "stop.never": {
        "en": "It still runs {seconds:.0f} s after SIGTERM; platforms kill it then.",
        "ru": "Работает через {seconds:.0f} с после SIGTERM; платформы в этот момент его убивают.",
    },
    "stop.code": {"en": "SIGTERM ends it with exit code {code}, not 0.", "ru": "После SIGTERM код {code}, а не 0."},
    "log.ok": {"en": "JSON, both tiers", "ru": "JSON, обе части"},
    "log.missing": {"en": "Nothing in the log is from: {tiers}.", "ru": "В журнале нет строк от: {tiers}."},
    "log.strays": {
        "en": "{count} lines are no JSON objects, for example: {line}",
        "ru": "Строк не в JSON: {count}, например: {line}",
    },
    "not-reached": {"en": "not reached", "ru": "не дошло"},
    "check-failed": {"en": "The check itself failed: {error}", "ru": "Сама проверка не удалась: {error}"},
    "untried.no-gpu": {"en": "Not tried: there is no GPU here.", "ru": "Не проверено: здесь нет GPU."},
    "untried.gpu-not-passed": {
        "en": "Not tried: {engine} can't pass a GPU on; docker and podman can.",
        "ru": "Не проверено: {engine} не умеет передать GPU, это умеют docker и podman.",
    },
    "untried.tools": {"en": "Not tried: {tools} missing here.", "ru": "Не проверено: здесь нет {tools}."},
    "untried.root": {
        "en": "Not tried: without a container engine only root can start it.",
        "ru": "Не проверено: без движка контейнеров запустить может только root.",
    },
}
