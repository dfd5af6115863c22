"""The base class of providers that other packages and optional modules add."""

from functools import cache
from typing import ClassVar

from langchain_core.language_models import BaseChatModel

from moagraph.nodes.errors import ExtensionError
from moagraph.nodes.extensions import PROVIDERS, Extension, Extensions
from moagraph.nodes.models.call import Call

_CORE = "moagraph.nodes.models.providers:PROVIDERS"

# The core providers are rows of a table; the others are classes, registered as entry points.
PROVIDER_TYPES = Extensions(
    PROVIDERS,
    dict.fromkeys(("local", "ollama", "openai", "scripted", "together", "vllm"), _CORE),
)


class Provider:
    """Answers the models that recipes name as `NAME:model`.

    A subclass is registered as an entry point in the group `moagraph.providers`, under the name
    that recipes use. Keys come from environment variables, read in `chat_model`; they must not be
    stored in the class.
    """

    # Answers inside this process: nothing leaves this machine.
    is_in_process: ClassVar[bool] = False
    # Reports how likely each token was.
    gives_logprobs: ClassVar[bool] = False
    # The environment variables that it reads, for `moa models` and the list of what a recipe needs.
    variables: ClassVar[tuple[str, ...]] = ()

    def check(self, call: Call, model: str) -> None:
        """Refuse, before anything is sent, a call that cannot be made.

        Args:
            call: The call, with its sampling and address.
            model: The model's name, without the provider.

        Raises:
            UsageError: In one line, what is missing and what to do.
        """

    def chat_model(self, call: Call, model: str) -> BaseChatModel:
        """Return the LangChain chat model that answers the call.

        It is built in a thread, once for each event loop, and used for every call with the same
        settings. Retries, timeouts and limits are moagraph's: build it without retries.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no `chat_model`")


def find_provider(name: str) -> Provider | None:
    """Return the provider of an optional module or another package; None if there is none."""
    extension = PROVIDER_TYPES.find(name)
    if extension is None or extension.target == _CORE:
        return None
    return _load(extension)


@cache
def _load(extension: Extension) -> Provider:
    provider = extension.load()
    if not (isinstance(provider, type) and issubclass(provider, Provider)):
        raise ExtensionError(
            f"{extension.label} of the package {extension.package!r} is not a subclass of "
            f"moagraph.Provider: {provider!r}"
        )
    return provider()
