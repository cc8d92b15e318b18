"""The bundled lexicons, made ready once for all tests of a process."""

from worker.consistency.text.lexicon import load_lexicons
from worker.consistency.text.vocabulary import Vocabulary

VOCABULARIES = {language: Vocabulary(lexicon) for language, lexicon in load_lexicons().items()}
