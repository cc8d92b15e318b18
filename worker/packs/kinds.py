"""Who can load a pack: its kind is an entry point of the group `echoworker.pack_kinds`, ours or another package's."""

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from config.errors import ModelPackError
from worker.packs.folder import ModelPack

if TYPE_CHECKING:
    from worker.models import PackLoader, StudyModel, Surroundings

GROUP = "echoworker.pack_kinds"


def installed_kinds() -> dict[str, EntryPoint]:
    """The installed kinds by name. Nothing is imported yet."""
    return {kind.name: kind for kind in sorted(entry_points(group=GROUP), key=lambda kind: kind.name)}


def require_kind(pack: ModelPack) -> EntryPoint:
    """The entry point that loads a pack.

    Raises
    ------
    ModelPackError
        No installed package has such a kind.
    """
    kinds = installed_kinds()
    name = pack.manifest.kind
    if name not in kinds:
        raise ModelPackError(
            f"model pack {pack.folder}: nothing here can load the kind {name!r} (installed: "
            f"{', '.join(kinds) or 'none, install EchoWorker again'}); install the package that brings it, into the "
            "environment of EchoWorker"
        )
    return kinds[name]


def pack_kind(pack: ModelPack) -> "PackLoader":
    """What loads a pack.

    Raises
    ------
    ModelPackError
        No installed package has such a kind, or its code cannot be imported.
    """
    kind = require_kind(pack)
    try:
        loader: PackLoader = kind.load()
    except (ImportError, AttributeError) as error:
        brought_by = kind.dist.name if kind.dist is not None else "a package"
        raise ModelPackError(
            f"pack kind {kind.name!r}: {kind.value}, of {brought_by}, cannot be imported: {error}"
        ) from error
    return loader


def load_model(pack: ModelPack, surroundings: "Surroundings") -> "StudyModel":
    """The model of a pack, whatever its kind.

    Raises
    ------
    ModelPackError
        Nothing here can load it, its files do not make a model, or the model claims to be more than its pack.
    """
    model = pack_kind(pack)(pack, surroundings)
    if model.identity.label.trust > pack.identity.label.trust:
        raise ModelPackError(
            f"model pack {pack.folder}: its kind {pack.manifest.kind!r} labels it {model.identity.label}, "
            f"its manifest {pack.identity.label}"
        )
    return model
