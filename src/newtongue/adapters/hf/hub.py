"""The hub: which commit a revision is, and downloading a repository at a commit, resuming what was cut.

`HF_ENDPOINT`, `HF_HOME`, `HF_TOKEN` and `HF_HUB_OFFLINE` count as in Hugging Face's own tools.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from newtongue.core.errors import ProviderError, understand

MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "LICENSE*", "README.md")
"""What is taken of a model's repository: never pickled weights, never code."""
ATTEMPTS = 3


def commit_of(repository: str, revision: str, *, dataset: bool = False) -> str:
    """Return the commit a branch, tag or short commit of a repository stands for now.

    Raises:
        ProviderError: The hub cannot be reached, or there is no such repository or revision, or no right to it.
    """
    with _explained(repository, revision):
        found = HfApi().repo_info(repository, revision=revision, repo_type="dataset" if dataset else "model").sha
    if not found:
        raise ProviderError(
            "the hub names no commit", place=f"{repository}@{revision}", fix="give a commit as revision"
        )
    return str(found)


def download(repository: str, commit: str, *, dataset: bool = False) -> Path:
    """Return the folder of a repository at a commit, downloading what is not there yet.

    A connection that breaks is taken up again from the byte reached, up to three times here and at every later call.

    Raises:
        ProviderError: The hub cannot be reached, or refuses.
    """
    kind, patterns = ("dataset", None) if dataset else ("model", list(MODEL_FILES))
    with _explained(repository, commit):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return Path(snapshot_download(repository, revision=commit, repo_type=kind, allow_patterns=patterns))
            except (OfflineModeIsEnabled, HfHubHTTPError, LocalEntryNotFoundError):
                raise
            except Exception:
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("unreachable")


@contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    """Turn the hub's errors into ours: what is wrong with which repository, and what to do."""
    place = f"{repository}@{revision}"
    try:
        yield
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        fix = "unset HF_HUB_OFFLINE, or download it on another machine and name the folder"
        raise ProviderError(
            "not on this machine, and the hub is not asked or not reached", place=place, fix=fix
        ) from error
    except GatedRepoError as error:
        fix = "accept its terms on the hub, then set HF_TOKEN"
        raise ProviderError("the hub wants its terms accepted first", place=place, fix=fix) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        what = (
            "no such revision" if isinstance(error, RevisionNotFoundError) else "no such repository, or no right to it"
        )
        raise ProviderError(f"the hub says: {what}", place=place, fix="check the name, or set HF_TOKEN") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        fix = "set HF_TOKEN" if status in (401, 403) else "try again later: finished files are kept"
        raise ProviderError(f"the hub answered {status}", place=place, fix=fix) from error
    except Exception as error:
        if understand(error) is not None:
            raise
        raise ProviderError(
            f"the hub cannot be reached ({error or type(error).__name__})", place=place, fix="try again: it resumes"
        ) from error
