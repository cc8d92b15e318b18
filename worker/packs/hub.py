"""A model's files out of the hub, for the operator who has an account there. Nothing else of ours ever asks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # its HTTP library's, of which there has been more than one
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from config.errors import ModelPackError
from config.labels import ModelLabel
from worker.packs.installed import slug
from worker.packs.manifest import CONFIGURATION, MANIFEST, read_manifest
from worker.packs.source import DOWNLOADED_WEIGHTS, LICENCE_PATTERNS, OPTIONAL, Choices

PULLED = ".pulled"
"""In packs_dir: downloads on their way. One that was broken off goes on where it was."""
KNOWN_MODELS: dict[str, Choices] = {
    "mkaichristensen/echo-clip": Choices(name="EchoCLIP", family="echo-clip"),
    "mkaichristensen/echo-clip-r": Choices(name="EchoCLIP-R", family="echo-clip-r"),
}
"""What the packs of these models are called where the operator does not say."""
_WANTED = [CONFIGURATION, MANIFEST, *DOWNLOADED_WEIGHTS, *OPTIONAL, *LICENCE_PATTERNS]
_OTHERWISE = "; or download it elsewhere, and install it: echoworker packs import FOLDER"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What came from the hub."""

    folder: Path
    choices: Choices
    """What the operator said of it, with what is known of this model, and its revision as version."""


def pull(
    name: str, packs_dir: Path, choices: Choices, *, revision: str | None = None, endpoint: str | None = None
) -> Pulled:
    """Download a model's files, with the token of the environment (HF_TOKEN) or of `hf auth login`, where there is one.

    `endpoint` is the URL of the hub; None: that of the environment (HF_ENDPOINT), or the public one.

    Raises
    ------
    ModelPackError
        The hub is out of reach, does not have such a model, or does not give it to this account; the message says
        what to do.
    OSError
        The disk is full or failed.
    """
    folder = packs_dir / PULLED / slug(name)
    with _explained(name, revision):
        commit = HfApi(endpoint=endpoint).model_info(name, revision=revision).sha
        # By its commit: what comes is what the version says, also while the model is changed there.
        snapshot_download(name, revision=commit, local_dir=folder, allow_patterns=_WANTED, endpoint=endpoint)
    known = KNOWN_MODELS.get(name.lower(), Choices(name=name.rpartition("/")[2]))
    said = {key: value for key, value in vars(choices).items() if value is not None}
    if (folder / MANIFEST).is_file():  # it says itself what it is, but not that this site has validated it
        is_clinical = read_manifest(folder)[0].label is ModelLabel.CLINICAL
        defaults = Choices(label=ModelLabel.RESEARCH if is_clinical else None)
    else:
        defaults = replace(known, version=f"hub {(commit or '')[:12]}")
    return Pulled(folder=folder, choices=replace(defaults, **said))


@contextmanager
def _explained(name: str, revision: str | None) -> Iterator[None]:
    try:
        yield
    except GatedRepoError as error:
        raise ModelPackError(
            f"{name}: the hub gives it only to those who have accepted its authors' conditions: log in on the hub, "
            f"accept them on the model's page, then run hf auth login here, or set HF_TOKEN{_OTHERWISE}"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelPackError(f"{name}: the hub has it, but no revision {revision}") from error
    except RepositoryNotFoundError as error:
        raise ModelPackError(
            f"{name}: the hub has no such model, or does not show it to this account: check the name (OWNER/MODEL); "
            f"run hf auth login, or set HF_TOKEN, if it is a private one{_OTHERWISE}"
        ) from error
    except HFValidationError as error:
        raise ModelPackError(f"{name}: not the name of a model of the hub, as OWNER/MODEL") from error
    except OfflineModeIsEnabled as error:
        raise ModelPackError(f"{name}: HF_HUB_OFFLINE is set, so that nothing is fetched{_OTHERWISE}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        what = "does not take the token: run hf auth login again" if status in (401, 403) else "try again later"
        raise ModelPackError(f"{name}: the hub answered with status {status}: {what}{_OTHERWISE}") from error
    except (HTTPError, LocalEntryNotFoundError) as error:
        raise ModelPackError(
            f"{name}: the hub cannot be reached ({type(error).__name__}): check network and proxy{_OTHERWISE}"
        ) from error
