"""What the core uses of this module: parse checks, and run them."""

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.settings import CHECKS, parse_checks

__all__ = ["CHECKS", "parse_checks", "run_check"]
