"""`moa doctor`: what this machine can run, and what to do where it cannot."""

import json
import sys

from moagraph.cli.options import JsonOption, RecipeOption
from moagraph.cli.render.output import out, say


def doctor(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Check keys, addresses, models and the data folder."""
    from moagraph.api.default_recipe import choose_recipe
    from moagraph.cli.health import check_health

    choice = None if recipe else choose_recipe()
    name = recipe or (choice.recipe if choice else "local")
    checks = check_health(name)
    if as_json:
        out(json.dumps({"recipe": name, "checks": [check.as_json() for check in checks]}))
    else:
        out(f"recipe `{name}`" + (f": {choice.why}" if choice else ""))
        for check in checks:
            out(f"{'ok  ' if check.ok else 'FAIL'} {check.subject}: {check.message}")
    if not all(check.ok for check in checks):
        say("moa: something above must be mended first")
        sys.exit(1)
