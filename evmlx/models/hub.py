"""Models on the Hugging Face hub and in its local cache, with its errors as one line each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evmlx.errors import EvmlxError
from evmlx.models.embedded import EMBEDDED

WANTED = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "*.tiktoken", "README.md"]
# Folders hold copies in other formats; Mistral's consolidated file is the weights once more.
UNWANTED = ["*/*", "consolidated*.safetensors"]


def fetch(model: str, revision: str | None, say: Callable[[str], None]) -> tuple[Path, str]:
    """Download a model, or find it in the hub's cache.

    Parameters
    ----------
    model : str
        Hub id, ``owner/name``.
    revision : str or None
        Branch, tag or commit; None: the main branch.
    say : callable
        Told what is being looked for; the hub's client shows its own progress bars.

    Returns
    -------
    folder : Path
        The local snapshot.
    commit : str
        Its commit hash.

    Raises
    ------
    EvmlxError
        If the hub has no such model, does not give it, or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import validate_repo_id

    with _errors_as_lines(model, revision):
        validate_repo_id(model)
        say(f"getting {model} from the Hugging Face hub, or its cache")
        folder = Path(
            snapshot_download(
                model, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED
            )
        )
    return folder, folder.name


@contextmanager
def _errors_as_lines(model: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    page = f"https://huggingface.co/{model}"
    try:
        yield
    except errors.HFValidationError as error:
        raise EvmlxError(
            f"{model!r} is neither a file or folder here nor a hub id (owner/name)"
            f"{did_you_mean(model)}"
        ) from error
    except errors.GatedRepoError as error:
        raise EvmlxError(
            f"{model} is gated: accept its licence at {page}, then log in with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise EvmlxError(
            f"{model} has no revision {revision!r} on the hub: see {page}/commits"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise EvmlxError(
            f"the Hugging Face hub has no model {model!r}, or it is private (`hf auth login`)"
            f"{did_you_mean(model)}"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        at = "" if revision is None else f" at revision {revision}"
        raise EvmlxError(
            f"{model}{at} is not (wholly) in the local cache and the Hugging Face hub cannot be "
            f"reached: connect, or use an embedded model ({', '.join(EMBEDDED)})"
            f"{did_you_mean(model)}"
        ) from error
    except Exception as error:  # the client lets those of its transport through
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise EvmlxError(
            f"cannot get {model} from the Hugging Face hub ({reason}): run the same command again, "
            "what was downloaded is kept"
        ) from error


def cached_models() -> dict[str, Path]:
    """Hub ids in the local cache that have safetensors, with their latest snapshot folder."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return {}
    found = {}
    for repo in sorted(repos, key=lambda repo: str(repo.repo_id).lower()):
        usable = [
            revision
            for revision in repo.revisions
            if any(file.file_name.endswith(".safetensors") for file in revision.files)
        ]
        if repo.repo_type == "model" and usable:
            latest = max(usable, key=lambda revision: revision.last_modified)
            found[str(repo.repo_id)] = Path(latest.snapshot_path)
    return found


def did_you_mean(model: str) -> str:
    """`; did you mean ...?` where an embedded or cached name is near, else nothing."""
    names = [*EMBEDDED, *cached_models()]
    spelled = {name.lower(): name for name in names}
    spelled |= {name.lower().rpartition("/")[2]: name for name in names}
    wanted = model.lower()
    last = wanted.rpartition("/")[2]
    near = difflib.get_close_matches(wanted, spelled, n=1) or difflib.get_close_matches(
        last, spelled, n=1
    )
    if not near and len(last) >= 4:
        near = [name for name in spelled if name.startswith(last)][:1]
    if not near or spelled[near[0]] == model:
        return ""
    return f"; did you mean {spelled[near[0]]}?"
