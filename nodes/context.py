"""What a caller may choose for one run, beside the question."""

from pydantic import BaseModel


class Context(BaseModel):
    """Nothing yet that a recipe does not say."""
