from pathlib import Path

import pytest

from moagraph import RecipeError, UnknownName
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Layer

ONE = '[[layers]]\nproposers = ["openai:a"]\n'
END = 'aggregate = { step = "synthesize", model = "openai:x" }\n'
KEYS = f"there are {', '.join(sorted(Layer.model_fields))}"
LAST = (
    "layer 1 is the last, so its `aggregate` must end in one answer, as "
    '{ step = "synthesize", model = "provider:model" } does'
)


def layer(proposers: str, more: str = END) -> str:
    return f"[[layers]]\nproposers = {proposers}\n{more}"


def steps(aggregate: str) -> str:
    return f"{ONE}aggregate = {aggregate}\n"


REFUSED = {
    "a seat's key": (
        layer('[\n  "openai:a",\n  { model = "openai:b", temprature = 1 },\n]'),
        "4: `temprature`: did you mean `temperature`?",
    ),
    "a layer's key": (f"{ONE}quorom = 1\n{END}", "3: `quorom`: did you mean `quorum`?"),
    "a recipe's key": (f'abuot = "x"\n{ONE}{END}', "1: `abuot`: did you mean `about`?"),
    "a default's key": (
        f"[defaults]\ntemperatur = 1\n{ONE}{END}",
        "2: `temperatur`: did you mean `temperature`?",
    ),
    "a price's key": (
        layer('[{ model = "openai:a", price = { input = 1, ouput = 2 } }]'),
        "2: `ouput`: did you mean `output`? (and 1 more)",
    ),
    "a far-off key": (f"{ONE}zzz = 1\n{END}", f"3: `zzz`: unknown here; {KEYS}"),
    "two keys": (f"{ONE}foo = 1\nzzz = 2\n{END}", f"3: `foo`: unknown here; {KEYS} (and 1 more)"),
    "a step's key": (
        steps('{ step = "synthesize", modell = "openai:x" }'),
        "3: `modell`: did you mean `model`? (and 1 more)",
    ),
    "another step's key": (
        steps('[{ step = "concat", model = "a:b" }, { step = "synthesize", model = "a:b" }]'),
        "3: `model`: unknown here; there are step",
    ),
    "a step": (
        steps('{ step = "synthesise", model = "openai:x" }'),
        "3: `step`: there is no step 'synthesise'; did you mean `synthesize`?",
    ),
    "a step as a word": (
        steps('"sythesize"'),
        "3: `step`: there is no step 'sythesize'; did you mean `synthesize`?",
    ),
    "a step unnamed": (
        steps('{ model = "openai:x" }'),
        '3: `aggregate`: a step says which it is, such as step = "synthesize"',
    ),
    "a step's model": (steps('"synthesize"'), "3: `model` is missing"),
    "no last step": (ONE, f"1: {LAST}"),
    "a concat at the end": (steps('"concat"'), f"3: {LAST}"),
    "zero seats": (layer("[]"), "2: `proposers` is empty: it needs at least one"),
    "no seats": (f"[[layers]]\n{END}", "1: `proposers` is missing"),
    "no layers": ('name = "x"\n', "1: `layers` is missing"),
    "zero layers": ("layers = []\n", "1: `layers` is empty: it needs at least one"),
    "an empty file": ("", "1: `layers` is missing"),
    "negative seats": (
        layer('[{ model = "openai:a", count = -1 }]'),
        "2: `count` -1: input should be greater than or equal to 1",
    ),
    "zero copies": (
        layer('[{ model = "openai:a", count = 0 }]'),
        "2: `count` 0: input should be greater than or equal to 1",
    ),
    "a quorum above the seats": (
        layer('[{ model = "openai:a", count = 2 }]', f"quorum = 3\n{END}"),
        "3: layer 1 has 2 seats, so its quorum cannot be 3",
    ),
    "a quorum of none": (
        f"{ONE}quorum = 0\n{END}",
        "3: `quorum` 0: input should be greater than or equal to 1",
    ),
    "a negative number": (
        f"[defaults]\n\ntemperature = -0.5\n{ONE}{END}",
        "3: `temperature` -0.5: input should be greater than or equal to 0",
    ),
    "an endless number": (
        f"[defaults]\ntimeout = inf\n{ONE}{END}",
        "2: `timeout` inf: input should be a finite number",
    ),
    "a word for a number": (
        layer('[{ model = "openai:a", max_tokens = "many" }]'),
        "2: `max_tokens` 'many': input should be a valid integer, "
        "unable to parse string as an integer",
    ),
    "a number for a seat": (layer("[3]"), "2: `proposers` 3: this must be a table"),
    "a model without a provider": (
        layer('["gpt-4o"]'),
        "2: 'gpt-4o' is not `provider:model`, such as `openai:gpt-4o-mini`",
    ),
    "a password": (
        layer('[{ model = "x:a", base_url = "ftp://me:pw@h/v1" }]'),
        "2: an address must not hold a user, a password or a query: use api_key_env",
    ),
    "an odd port": (
        layer('[{ model = "x:a", base_url = "http://h:x/v1" }]'),
        "2: 'http://h:x/v1' is not an http(s) address",
    ),
    "a key for a variable": (
        layer('[{ model = "x:a", api_key_env = "sk-123" }]'),
        "2: `api_key_env` takes the name of a variable that holds a key, not a key",
    ),
    "a prompt's name": (
        steps('{ step = "synthesize", model = "openai:x", prompt = "synthesise" }'),
        "3: no prompt is called 'synthesise'; did you mean `synthesize`? "
        "(or give a path, or the text)",
    ),
    "a prompt's path": (
        f'{ONE}prompt = "none/x.md"\n{END}',
        "2: cannot read the prompt 'none/x.md': No such file or directory",
    ),
    "a prompt's value": (
        steps('{ step = "synthesize", model = "openai:x", prompt = "Use $nothing here" }'),
        "3: the prompt `given as text` needs `$nothing`, which was not given",
    ),
    "broken TOML": (
        '[[layers]]\nproposers = ["openai:a"\n',
        "2: not TOML: Unclosed array (at end of document)",
    ),
    "a bare word": ("\nname = x\n", "2: not TOML: Invalid value (at line 2, column 8)"),
    "a name with a space": (
        f'name = "a b"\n{ONE}{END}',
        "1: `name` 'a b': string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_recipe_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "r.toml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert str(caught.value) == f"{file}:{message}"


def test_a_recipe_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert str(caught.value) == f"{file}: not UTF-8: a recipe is a TOML text file"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("moa-lit", "no recipe is called 'moa-lit'; did you mean `moa-lite`?"),
        ("zzzz", "no recipe is called 'zzzz'; `moa recipes` lists them"),
        ("", "no recipe is called ''; `moa recipes` lists them"),
        ("a\0b", "no recipe is called 'a\\x00b'; `moa recipes` lists them"),
        ("no/r.toml", "cannot read the recipe 'no/r.toml': No such file or directory"),
        ("/", "cannot read the recipe '/': Is a directory"),
    ],
)
def test_an_unknown_recipe_is_one_line(name: str, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_recipe(name)
    assert str(caught.value) == message
