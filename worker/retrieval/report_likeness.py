"""How well texts fit the images of one study: cosines of the texts with the mean of the study's clips.

Only by a pack that was chosen for retrieval: one that scores reads prompts of one line, and no whole reports.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from config.errors import SearchError
from config.labels import ModelLabel
from config.settings import Settings
from db.consistency.discordances import Likeness
from db.reading.retrieval import SearchableStudy, searchable_studies
from db.session import Database
from dicom_node.spool import Spool
from worker.retrieval.library import clips_in, stamp_of
from worker.retrieval.loading import TextReader, load_retrieval_model
from worker.retrieval.packs import RetrievalPack, retrieval_pack
from worker.retrieval.similarity import study_embedding, text_likeness


@dataclass(frozen=True, kw_only=True)
class Likened:
    """What was measured, and why some of the texts were not."""

    likenesses: Mapping[str, Likeness]
    """By the name of the text."""
    doubts: Mapping[str, str]


class TextLikeness:
    """Likens texts to studies; loads the model when a number is not known yet."""

    def __init__(self, settings: Settings, registry: Database) -> None:
        self._settings = settings
        self._registry = registry
        self._reader: tuple[str, TextReader] | None = None

    def of(
        self, study_id: int, texts: Mapping[str, str], *, label: ModelLabel, known: Mapping[str, Likeness]
    ) -> Likened:
        """Liken each text, by its name, to a study; a number that is known of the same text and clips is taken over.

        `label` is that of the study's results: what is found goes where they go.

        Raises
        ------
        ModelPackError
            The pack cannot be loaded.
        SearchError
            The pack is to be trusted less than the results; or the study has no embeddings by it, or the view gate
            left out all of its clips.
        DamagedFileError
            Its embeddings are missing or damaged.
        """
        pack = retrieval_pack(self._settings)
        if pack.identity.label.trust < label.trust:
            raise SearchError(f"the model for retrieval is {pack.identity.label}, and the results are {label}")
        study = self._study(study_id, pack)
        stamp = stamp_of(study)
        stamps = {name: hashlib.sha256(f"{stamp} {text}".encode()).hexdigest() for name, text in texts.items()}
        found = {
            name: before
            for name, before in known.items()
            if (before.towers, before.made_from) == (pack.towers, stamps.get(name))
        }
        wanted = {name: text for name, text in texts.items() if name not in found}
        if not wanted:
            return Likened(likenesses=found, doubts={})
        clips = [embedding for _, embedding in clips_in(Spool.of(self._settings), study)]
        if not clips:
            raise SearchError("the model sees a heart in no clip of the study")
        images, reader, doubts = study_embedding(np.stack(clips)), self._model(pack), {}
        for name, text in wanted.items():
            if reader.knows_nothing_of(text):
                doubts[name] = "the model for retrieval knows no word of the text"
                continue
            found[name] = Likeness(
                towers=pack.towers,
                preprocessing_profile=self._settings.pixels.profile,
                made_from=stamps[name],
                likeness=text_likeness(reader.embed_texts([text])[0], images),
            )
        return Likened(likenesses=found, doubts=doubts)

    def _study(self, study_id: int, pack: RetrievalPack) -> SearchableStudy:
        profile = self._settings.pixels.profile
        with self._registry.read() as session:
            found = searchable_studies(
                session, embedder=pack.embedder, preprocessing_profile=profile, study_id=study_id
            )
            study = next(found, None)
        if study is None:
            raise SearchError("no embeddings of the study by the model for retrieval are kept")
        return study

    def _model(self, pack: RetrievalPack) -> TextReader:
        if self._reader is None or self._reader[0] != pack.towers:
            self._reader = None  # there may be no room for two
            self._reader = (pack.towers, load_retrieval_model(self._settings, is_exact=True))
        return self._reader[1]
