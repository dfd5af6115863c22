"""Presidio's recognizers without downloads: its patterns, and spaCy's names if installed."""

import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

from moagraph.nodes.errors import MissingExtra, StepFailed

MODEL = "en_core_web_sm"  # used where it is installed; else the patterns alone
MIN_SCORE = 0.4
KINDS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "CARD",
    "IP_ADDRESS": "IP",
    "LOCATION": "PLACE",
}


def installed() -> bool:
    """Return whether presidio is installed."""
    return importlib.util.find_spec("presidio_analyzer") is not None


def needed() -> None:
    """Raise MissingExtra if presidio is not installed."""
    if not installed():
        raise MissingExtra("`presidio = true` needs `pip install 'moagraph[privacy]'`")


def by_presidio(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each result above the minimum score."""
    try:
        results = _engine().analyze(text, language="en", score_threshold=MIN_SCORE)
    except Exception as error:  # its message may quote the text, and errors are stored
        raise StepFailed(f"presidio failed on the text ({type(error).__name__})") from None
    for result in results:
        yield KINDS.get(result.entity_type, result.entity_type), result.start, result.end


@cache
def _engine() -> Any:
    """Build the engine once: this takes a second or two."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    _stay_offline()
    model_spec = importlib.util.find_spec(MODEL)
    nlp = spacy.load(MODEL) if model_spec else spacy.blank("en")

    class Loaded(SpacyNlpEngine):  # type: ignore[misc, unused-ignore]
        """Skips the loading, which would download a model."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp: Any = {"en": nlp}

    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=Loaded(), supported_languages=["en"])


def _stay_offline() -> None:
    """Use the bundled list of domains: the e-mail recognizer would download one."""
    from tldextract import tldextract

    tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
