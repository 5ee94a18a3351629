"""`decimal` and `apsw` that were loaded without `collections` are what they always are."""

import subprocess
import sys

import pytest

START = "import sys\nfrom codespar_cli import quick_decimal\n"
USE = """
import decimal, pickle
from decimal import Decimal
import apsw
found = [
    Decimal("-1.50").as_tuple(),
    Decimal("-1.50").as_tuple()._replace(sign=0),
    Decimal(decimal.DecimalTuple(1, (1, 5), -1)),
    pickle.loads(pickle.dumps(Decimal("0.1").as_tuple())),
    decimal.getcontext().flags,
    decimal.Context(traps=[decimal.Inexact]),
    apsw.Connection(":memory:").execute("SELECT 1, 'a'").fetchall(),
]
import collections, collections.abc
found += [
    collections.OrderedDict(a=1), collections.Counter("aab"), collections.abc.Mapping.__name__,
    collections.namedtuple("Pair", "one two")(1, 2),
    isinstance(decimal.getcontext().flags, collections.abc.MutableMapping), collections.__file__, collections.abc.__name__,
]
print(found)
"""


def said(code):
    done = subprocess.run([sys.executable, "-c", code + USE], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_what_it_loads_is_as_ever_and_so_is_collections():
    lines = START + "sys.modules.pop('collections', None)\nsys.modules.pop('collections.abc', None)\n"
    assert said(lines + "quick_decimal.load()\nassert 'collections' not in sys.modules\n") == said("")


@pytest.mark.parametrize("fault", ["lambda *names, **more: 1 / 0", "None"])
def test_where_the_stand_in_does_not_do_the_real_one_is_taken(fault):
    lines = START + "sys.modules.pop('collections', None)\nsys.modules.pop('collections.abc', None)\n"
    assert said(f"{lines}quick_decimal._namedtuple = {fault}\nquick_decimal.load()\n") == said("")


def test_collections_that_are_there_stay():
    code = START + "import collections\nquick_decimal.load()\nassert sys.modules['collections'] is collections\n"
    assert said(code) == said("")
