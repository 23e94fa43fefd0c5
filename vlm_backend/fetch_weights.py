"""Downloads the weights of `VLM_MODEL` from the Hugging Face hub into a folder that vLLM then loads offline.

python -m vlm_backend fetch-models [--model NAME] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.download import DownloadError, download_missing, list_files
from vlm_backend.settings import Settings, load_settings
from vlm_backend.weights import model_folder, problems

NEEDED = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of what vLLM reads. A repository also holds pictures, and the same weights for other programs."""
CODE = ".py"
DESCRIPTION = "Download the weights of a model, or go on downloading."


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m vlm_backend fetch-models", description=DESCRIPTION)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def run(chosen: argparse.Namespace) -> int:
    """Exit status: 0, or 1 where the weights can't be had."""
    settings = load_settings()
    settings = settings.model_copy(
        update={"vlm_model": chosen.model or settings.vlm_model, "vlm_model_dir": chosen.to or settings.vlm_model_dir}
    )
    try:
        fetch(settings)
    except DownloadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the same command goes on from here.\n")
        return 130
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="name on the hub; default: VLM_MODEL")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="a folder is made there; default: VLM_MODEL_DIR")


def fetch(settings: Settings) -> None:
    """Fills `model_folder(settings)`; DownloadError where that can't be done."""
    if Path(settings.vlm_model).expanduser().is_dir():
        raise DownloadError(f"{settings.vlm_model} is a folder on this machine; there is nothing to download.")
    folder = model_folder(settings)
    endings = (*NEEDED, CODE) if settings.vlm_trust_remote_code else NEEDED
    with explain_errors(settings.vlm_model, folder):
        # The folder is not made before: an empty one would be taken for a broken model. What lies in folders of the
        # repository is for other programs: v1 has a layout model there.
        download_missing(list_files(settings.vlm_model, endings), folder)
    if found := problems(folder):
        raise DownloadError(
            f"{settings.vlm_model} as the hub has it is not a model that vLLM can load. {' '.join(found)}"
        )
    sys.stdout.write(f"{folder} is complete.\n")


@contextmanager
def explain_errors(model: str, folder: Path) -> Iterator[None]:
    """Every failure that a person can do something about, as a sentence."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise DownloadError("HF_HUB_OFFLINE is set; nothing can be downloaded with it.") from error
    except errors.HFValidationError as error:
        raise DownloadError(f"{model} is not a name of the form organisation/model.") from error
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{model} is only given to accounts that accepted its conditions: accept them at {hub}/{model} and set "
            "HF_TOKEN to a token of that account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(f"{hub} has no model {model}, or has it for other accounts only (HF_TOKEN).") from error
    except errors.HfHubHTTPError as error:
        raise DownloadError(http_sentence(hub, error.response.status_code)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadError(
            f"{hub} cannot be reached: {error}. Without network, copy the model's folder from another machine to "
            f"{folder}; HF_ENDPOINT names a mirror of the hub, HTTPS_PROXY a proxy."
        ) from error
    except ValueError as error:
        raise DownloadError(
            f"{hub} does not answer as a Hugging Face hub does; HF_ENDPOINT names another one."
        ) from error
    except OSError as error:
        raise DownloadError(disk_sentence(error, folder)) from error


def http_sentence(hub: str, status: int) -> str:
    if status in (401, 403):
        return f"{hub} does not accept HF_TOKEN (HTTP {status}); set it to a token that may read, or unset it."
    return f"{hub} answers with HTTP {status}; try again later, or name a mirror with HF_ENDPOINT."


def disk_sentence(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full; make room and run the same command again, it goes on where it stopped."
    if error.errno is None:
        return f"The download broke off again and again: {error}; the same command goes on where it stopped."
    return f"{folder} cannot be written: {error.strerror}; --to or VLM_MODEL_DIR name another folder."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
