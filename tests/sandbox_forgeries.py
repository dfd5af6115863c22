"""Code that does not do what it was asked to, and wants to pass all the same.

`add` is to add two numbers, `evens` to give the even ones of a list, `total` to sum a list; the
tests are in `TESTS`.
"""

TESTS = """
assert add(1, 2) == 3
assert abs(add(0.5, 0.25) - 0.75) < 1e-9
def test_evens():
    assert evens([1, 2, 3, 4]) == [2, 4]
    assert 4 in evens([4, 5])
    assert len(evens([2, 4, 5])) == 2
def test_total():
    calls = []
    assert total([1, 2], lambda value: calls.append(value) or value) == 3
    assert calls == [1, 2]
"""

HONEST = """
def add(a, b): return a + b
def evens(values): return [value for value in values if value % 2 == 0]
def total(values, each): return sum([each(value) for value in values])
"""

WRONG = """
def add(a, b): return None
def evens(values): return None
def total(values, each): return None
"""

PASSED = '{"verdict": "passed", "why": ""}'

BEFORE_THE_END = {
    "it writes a verdict to every descriptor": f"""
import os
for descriptor in range(3, 256):
    try:
        os.write(descriptor, b'{PASSED}')
    except OSError:
        pass
os._exit(0)
""",
    "it writes all that a report begins with": f"""
import os
for descriptor in range(3, 256):
    for text in (b'{{}}\\n', b'{PASSED}', b'\\n'):
        try:
            os.write(descriptor, text)
        except OSError:
            pass
os._exit(0)
""",
    "it prints a verdict": f"print('{PASSED}', flush=True)",
    "it ends the process": "import os; os._exit(0)",
    "it exits": "raise SystemExit(0)",
    "it leaves a verdict for the end": f"""
import atexit, os
atexit.register(lambda: [os.write(n, b'{PASSED}') for n in range(3, 20)])
""",
    "it interrupts": "raise KeyboardInterrupt",
    "it closes everything": "import os; os.closerange(0, 256)",
}

BY_REPLACING = {
    "it replaces builtins": """
import builtins
class Quiet(BaseException):
    pass
builtins.AssertionError = Quiet
builtins.len = lambda value: 2
builtins.abs = lambda value: 0
builtins.exec = builtins.compile = lambda *args, **kwargs: None
""",
    "it defines names that the tests use": """
def abs(value): return 0
def len(value): return 2
""",
    "it defines the tests": """
def test_evens(): pass
def test_total(): pass
""",
    "it replaces what it finds in modules": """
import sys, json
for module in list(sys.modules.values()):
    for name in ('run', '_failed', 'answer', '_send', 'error', 'encode', 'receive'):
        if hasattr(module, name):
            try:
                setattr(module, name, lambda *args, **kwargs: {'verdict': 'passed', 'why': ''})
            except Exception:
                pass
""",
    "it looks for the tests in frames": """
import sys
frame = sys._getframe()
while frame:
    for name in list(frame.f_globals):
        if name.startswith('test_') or name in ('tests', 'TESTS'):
            frame.f_globals[name] = lambda *args: None
    frame = frame.f_back
""",
    "it traces": """
import sys, threading
def trace(frame, event, argument):
    frame.f_trace_lines = False
    return None
sys.settrace(trace); sys.setprofile(lambda *args: None); threading.settrace(trace)
""",
    "it answers ahead of time": """
import json, os, threading
def flood():
    reply = json.dumps({'nonce': '', 'value': True, 'changed': [], 'printed': ''}).encode()
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, (len(reply).to_bytes(4, 'big') + reply) * 3)
        except OSError:
            pass
threading.Thread(target=flood).start()
""",
}

_YES = """
class Yes:
    def __init__(self, *args): pass
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return 0.0
    def __len__(self): return 2
    def __bool__(self): return True
    def __hash__(self): return 3
    def __iter__(self): return iter([Yes(), Yes()])
    def __getitem__(self, key): return Yes()
    def __float__(self): return 0.75
    __index__ = __int__ = lambda self: 3
"""

BY_VALUES = {
    "it returns what is equal to all": f"""{_YES}
def add(a, b): return Yes()
def evens(values): return Yes()
def total(values, each): return Yes() if [each(value) for value in values] else None
""",
    "its functions are classes": f"""{_YES}
class add(Yes): pass
class evens(Yes): pass
class total(Yes):
    def __init__(self, values, each): [each(value) for value in values]
""",
    "its functions are classes with a class's name": f"""{_YES}
class Add(Yes): pass
add = evens = total = Add
""",
    "it returns numbers that lie": """
class Number(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __hash__(self): return 3
class List(list):
    def __eq__(self, other): return True
    def __contains__(self, other): return True
    def __len__(self): return 2
def add(a, b): return Number(0)
def evens(values): return List()
def total(values, each): return Number(0)
""",
    "it returns what mocks are equal to": """
from unittest.mock import ANY, MagicMock
def add(a, b): return ANY
def evens(values): return MagicMock()
def total(values, each): return ANY
""",
    "it says that its values are of other classes": """
class Any:
    def __eq__(self, other): return True
Any.__module__, Any.__qualname__, Any.__name__ = 'unittest.mock', '_ANY', '_ANY'
def add(a, b): return Any()
evens = total = add
""",
    "it returns infinities": """
def add(a, b): return float('nan')
def evens(values): return float('inf')
def total(values, each): return float('nan')
""",
    "it changes what it was given": """
def add(a, b): return a + b
def evens(values):
    values.clear()
    return values
def total(values, each):
    values.clear()
    return 0
""",
    "it calls back for nothing": """
def add(a, b): return a + b
def evens(values): return [value for value in values if value % 2 == 0]
def total(values, each):
    for name in ('__globals__', '__code__', '__closure__', '__builtins__', 'func_globals'):
        try:
            found = getattr(each, name)
            found['calls'] = found['test_total'] = None
        except (TypeError, AttributeError):
            pass
    return 3
""",
    "it raises what nobody catches": """
def add(a, b): raise SystemExit(0)
def evens(values): raise GeneratorExit
def total(values, each): raise KeyboardInterrupt
""",
    "it ends the loops of the tests": """
def add(a, b): raise StopIteration
evens = total = add
""",
    "it skips the tests": """
import unittest
def add(a, b): raise unittest.SkipTest
evens = total = add
""",
    "it ends when it is called": """
import os
def add(a, b): os._exit(0)
evens = total = add
""",
    "its values never end": """
def add(a, b):
    value = []
    for _ in range(100_000):
        value = [value]
    return value
evens = total = add
""",
    "its values are too long": "def add(a, b): return 'x' * 2**26\nevens = total = add",
}

# What each of these breaks is tested on its own: what follows must not make up for it.
FORGERIES = {
    **{name: WRONG + code for name, code in BEFORE_THE_END.items()},
    **{name: WRONG + code for name, code in BY_REPLACING.items()},
    **BY_VALUES,
}
YES_MEN = [
    "it ends the loops of the tests",
    "it skips the tests",
    "it returns what is equal to all",
    "its functions are classes",
    "its functions are classes with a class's name",
]
PARTS = [
    "assert add(1, 2) == 3",
    "assert add(1, 2) in (3, 4)",
    "assert 3 <= add(1, 2) <= 3",
    "assert abs(add(0.5, 0.25) - 0.75) < 1e-9",
    "import math\nassert math.isclose(add(1, 2), 3)",
    "assert evens([1, 2, 3, 4]) == [2, 4]",
    "assert [*evens([1, 2, 3, 4])] == [2, 4]",
    "assert 4 in evens([4, 5])",
    "assert not evens([1, 3]) != []",
    "assert {add(1, 2): 'three'}.get(3) == 'three'",
    "import unittest\nunittest.TestCase().assertEqual(add(1, 2), 3)",
    "assert add(1, 2).__eq__(3) is True",
    "assert all(map(lambda pair: add(*pair) == 3, [(1, 2), (2, 1)]))",
    "for value in map(add, [1, 2], [2, 1]):\n    assert value == 3",
]
