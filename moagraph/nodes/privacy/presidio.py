"""Presidio's recognisers, without a download: its patterns, and spaCy's names where they are."""

import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

from moagraph.nodes.errors import MissingExtra, StepFailed

MODEL = "en_core_web_sm"  # used where it is installed; else the patterns alone
SURE = 0.4
KINDS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "CARD",
    "IP_ADDRESS": "IP",
    "LOCATION": "PLACE",
}


def installed() -> bool:
    """Whether it can be used at all."""
    return importlib.util.find_spec("presidio_analyzer") is not None


def needed() -> None:
    """Refuse a recipe that asks for it where it is not installed."""
    if not installed():
        raise MissingExtra("`presidio = true` needs `pip install 'moagraph[privacy]'`")


def by_presidio(text: str) -> Iterator[tuple[str, int, int]]:
    """What presidio is sure enough of: kind, start, end."""
    try:
        every = _engine().analyze(text, language="en", score_threshold=SURE)
    except Exception as error:  # its words might hold the text's, and an error is kept
        raise StepFailed(f"presidio failed on the text ({type(error).__name__})") from None
    for found in every:
        yield KINDS.get(found.entity_type, found.entity_type), found.start, found.end


@cache
def _engine() -> Any:
    """Built once: it takes a second or two."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    _stay_offline()
    found = importlib.util.find_spec(MODEL)
    nlp = spacy.load(MODEL) if found else spacy.blank("en")

    class Loaded(SpacyNlpEngine):  # type: ignore[misc, unused-ignore]
        """Its own loading would fetch a model."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp: Any = {"en": nlp}

    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=Loaded(), supported_languages=["en"])


def _stay_offline() -> None:
    """Its e-mail recogniser would ask the network for a list of domains; one is built in."""
    from tldextract import tldextract

    tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
