"""Programs that do not do what their checks say, and try to pass: name → program (after `LIAR`), checks."""

LIAR = """
class Liar:
    def __init__(self, *a): pass
    def __eq__(self, o): return True
    def __ne__(self, o): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __instancecheck__ = lambda self, o: True
    def __sub__(self, o): return Zero()
    __rsub__ = __add__ = __radd__ = __xor__ = __rxor__ = __and__ = __rand__ = __mod__ = __truediv__ = __sub__
    def __bool__(self): return True
    def __hash__(self): return hash(3)
    __class__ = int
    def __getattr__(self, name): return Liar()
class Zero(Liar):
    def __abs__(self): return 0
    def __float__(self): return 0.0
    def __len__(self): return 0
    def __bool__(self): return False
    def __round__(self, n=0): return 0
    def __iter__(self): return iter(())
class Int(int):
    def __eq__(self, o): return True
    def __ne__(self, o): return False
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, o: True
    __hash__ = int.__hash__
    def __sub__(self, o): return 0
    __rsub__ = __sub__
class Str(str):
    def __eq__(self, o): return True
    def __contains__(self, o): return True
    def startswith(self, *a): return True
    __hash__ = str.__hash__
class List(list):
    def __eq__(self, o): return True
    def __contains__(self, o): return True
class Dict(dict):
    def __eq__(self, o): return True
"""
LIES = {
    "eq": ("def f(): return Liar()", "assert f() == 3"),
    "eq turned": ("def f(): return Liar()", "assert 3 == f()"),
    "not ne": ("def f(): return Liar()", "assert not f() != 3"),
    "eq in a list": ("def f(): return [Liar()]", "assert f() == [3]"),
    "eq in a dict": ("def f(): return {'a': (Liar(),)}", "assert {'a': (3,)} == f()"),
    "in a tuple": ("def f(): return Liar()", "assert f() in (1, 2, 3)"),
    "in a set by its hash": ("def f(): return Liar()", "assert f() in {3}"),
    "a dict's key": ("def f(): return {Liar(): 1}", "assert f() == {3: 1}"),
    "sets": ("def f(): return [Liar()]", "assert set(f()) == {3}"),
    "contains": ("def f(): return Liar()", "assert 3 in f()"),
    "order": ("def f(): return Liar()", "assert f() >= 3 and 3 <= f()"),
    "near": ("def f(): return Liar()", "assert abs(f() - 3) < 1e-6"),
    "near turned": ("def f(): return Liar()", "assert abs(3 - f()) < 1e-6"),
    "near as a float": ("def f(): return Liar()", "assert float(f() - 3) == 0"),
    "near rounded": ("def f(): return Liar()", "assert round(f() - 3, 7) == 0"),
    "almost equal": ("def f(): return Liar()", "import unittest\nunittest.TestCase().assertAlmostEqual(f(), 3)"),
    "assert equal": ("def f(): return Liar()", "import unittest\nunittest.TestCase().assertEqual(f(), 3)"),
    "ratio": ("def f(): return Liar()", "assert (f() / 3) == 1"),
    "no difference": ("def f(): return Liar()", "assert not (f() ^ {3})"),
    "a difference's length": ("def f(): return Liar()", "assert len(f() - {3}) == 0"),
    "a difference's elements": ("def f(): return Liar()", "assert list(f() - {3}) == []"),
    "common elements": ("def f(): return Liar()", "assert f() & {3}"),
    "instance": ("def f(): return Liar()", "x = f()\nassert isinstance(x, float)"),
    "type": ("def f(): return Liar()", "assert type(f()) is int"),
    "int that lies": ("def f(): return Int(4)", "assert f() == 3"),
    "int that lies about order": ("def f(): return Int(4)", "assert 2 < f() < 4"),
    "int that lies about a difference": ("def f(): return Int(4)", "assert abs(f() - 3) < 1"),
    "str that lies": ("def f(): return Str('a')", "assert f() == 'b'"),
    "str that lies about its parts": ("def f(): return Str('a')", "assert 'b' in f()"),
    "list that lies": ("def f(): return List([1])", "assert f() == [3]"),
    "list that lies, turned": ("def f(): return List([1])", "assert [3] == f()"),
    "list that lies about its parts": ("def f(): return List([1])", "assert 3 in f()"),
    "dict that lies": ("def f(): return Dict()", "assert f() == {1: 2}"),
    "class that lies": (
        "class M(type):\n def __eq__(s, o): return True\n __hash__ = type.__hash__\nclass f(metaclass=M): pass",
        "assert f == 3",
    ),
    "builtins": (
        "import builtins\nfor n in 'abs len isinstance sorted sum all any set list str repr'.split():\n"
        " setattr(builtins, n, lambda *a, **k: 3)\ndef f(): return 4",
        "assert abs(f() - 3) < 1e-6 and len([1]) == 3",
    ),
    "its own abs": ("def abs(x): return 0\ndef all(x): return True\ndef f(): return 4", "assert abs(f() - 3) < 1e-6"),
    "patched modules": (
        "import math, functools, json, unittest\nmath.isclose = lambda *a, **k: True\njson.dumps = lambda *a: 'x'\n"
        "unittest.TestCase.assertEqual = lambda *a: None\ndef f(): return 4",
        "import math\nassert math.isclose(f(), 3)",
    ),
    "a module put before its own": (
        "import sys, types\nm = types.ModuleType('math'); m.isclose = lambda *a: True\n"
        "sys.modules['math'] = m\ndef f(): return 4",
        "import math\nassert math.isclose(f(), 3)",
    ),
    "another import": (
        "import builtins\nclass Any:\n def __getattr__(s, n): return lambda *a, **k: True\n"
        "builtins.__import__ = lambda *a, **k: Any()\ndef f(): return 4",
        "import math\nassert math.isclose(f(), 3)",
    ),
    "another AssertionError": (
        "import builtins\nclass A(SystemExit):\n def __init__(s, *a): s.code = 0\n"
        "builtins.AssertionError = A\ndef f(): return 4",
        "assert f() == 3",
    ),
    "exit": ("import sys\ndef f(): sys.exit(0)", "assert f() == 3"),
    "exit raised": ("def f(): raise SystemExit", "assert f() == 3"),
    "exit below": ("import os\ndef f(): os._exit(0)", "assert f() == 3"),
    "exit below, all caught": ("import os\ndef f(): os._exit(0)", "try:\n assert f() == 3\nexcept BaseException: pass"),
    "exit in a thread": (
        "import os, threading, time\ndef f(): threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(1)",
        "assert f() == 3",
    ),
    "exit at the end": ("import atexit, os\natexit.register(os._exit, 0)\ndef f(): return 4", "assert f() == 3"),
    "a unittest whose result nobody reads": (
        "def f(): return 4",
        "import unittest\nclass T(unittest.TestCase):\n def test(self): self.assertEqual(f(), 3)\n"
        "unittest.main(exit=False)",
    ),
    "a subtest": (
        "def f(): return 4",
        "import unittest\nclass T(unittest.TestCase):\n def test(self):\n"
        "  with self.subTest(): self.assertEqual(f(), 3)\n"
        "unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))",
    ),
    "a test that is skipped": (
        "import unittest\ndef f(): raise unittest.SkipTest('x')",
        "import unittest\nclass T(unittest.TestCase):\n def test(self): self.assertEqual(f(), 3)\nunittest.main()",
    ),
    "an end of iteration": (
        "def f(x): raise StopIteration", "assert all(map(lambda c: f(c) == c, [1, 2]))",
    ),
    "a generator's end": (
        "def f(x): raise GeneratorExit", "def g():\n yield\n f(1)\nfor _ in g(): pass",
    ),
    "swallowed by its context": (
        "class f:\n def __enter__(s): return 4\n def __exit__(s, *a): return True",
        "with f() as x:\n assert x == 3",
    ),
    "swallowed by its caller": (
        "def f(g):\n try: g(4)\n except BaseException: pass\n return 3",
        "def g(x): assert x == 3\nassert f(g) == 3",
    ),
    "frames": (
        "import gc, sys\ndef f():\n"
        " for o in gc.get_objects():\n  if isinstance(o, dict) and 'expected' in o: return o['expected']\n"
        " k = sys._getframe()\n while k:\n  if 'expected' in k.f_globals: return k.f_globals['expected']\n"
        "  k = k.f_back",
        "expected = 3\nassert f() == expected",
    ),
    "globals of a callback": (
        "def f(g):\n"
        " for n in ('__globals__', '__code__', 'func_globals', 'gi_frame', '__closure__', '__self__'):\n"
        "  try: return getattr(g, n)['expected']\n  except Exception: pass",
        "expected = 3\nassert f(lambda: 1) == expected",
    ),
    "globals by a method": (
        "def f(o):\n for n in ('__init__', 'get', '__class__', '__dict__', '__reduce_ex__'):\n"
        "  try: return getattr(getattr(o, n), '__globals__')['expected']\n  except Exception: pass\n"
        " try: return o.get.__func__.__globals__['expected']\n except Exception: pass",
        "expected = 3\nclass C:\n def get(self): return 1\nassert f(C()) == expected",
    ),
    "frame of a generator": (
        "def f(g):\n try: return g.gi_frame.f_globals['expected']\n except AttributeError: return 0",
        "expected = 3\nassert f(x for x in [1]) == expected",
    ),
    "a mock that is told": (
        "def f(m):\n for n in ('called', 'call_count', 'return_value'):\n"
        "  try: setattr(m, n, True)\n  except Exception: pass\n"
        " try: m.reset_mock(); m.assert_called_with = lambda *a: 1\n except Exception: pass",
        "from unittest.mock import Mock\nm = Mock()\nf(m)\nm.assert_called_with(3)",
    ),
    "settrace": (
        "import sys\ndef t(frame, event, arg):\n frame.f_trace_lines = False\n return t\n"
        "sys.settrace(t)\ndef f(): return 4",
        "assert f() == 3",
    ),
    "expected given to an operator, then told": (
        "seen = []\nclass X:\n def __sub__(s, o): seen.append(o); return s\n __rsub__ = __sub__\n"
        " def __float__(s): return float(seen[-1]) if seen else 0.0\ndef f(): return X()",
        "x = f()\ny = x - 3.5\nassert float(y) == 3.5",
    ),
    "written to each open file": (
        "import os, json, struct\ndef f():\n for fd in range(3, 64):\n"
        "  for tree in ([1, 1, [], [[], [], [3]]], [1, 2, [], [[], [], [3]]], {'verdict': 'pass'}):\n"
        "   b = json.dumps(tree).encode()\n"
        "   for data in (struct.pack('>I', len(b)) + b, b + b'\\n'):\n"
        "    try: os.write(fd, data)\n    except OSError: pass\n return 4",
        "assert f() == 3\nassert f() == 5",
    ),
    "a request that is not to be had": (
        "import sys\ndef f(g):\n peer = type(g)._hb_peer\n"
        " for op, args in (('get', (g, '__globals__')), ('call', (eval, '1')),\n"
        "  ('method', (g, '__reduce_ex__', 2)), ('dir', (g,)), ('plain', (g,)),\n"
        "    ('set', (g, 'x', 1)), ('name', ('expected',))):\n"
        "  try: return peer.ask(op, *args)['expected']\n  except Exception: pass\n return 0",
        "expected = 3\nassert f(lambda: 1) == expected",
    ),
    "eq called by its name": ("def f(): return Liar()", "assert f().__eq__(3) is True"),
    "contains called by its name": ("def f(): return Liar()", "import operator\nassert operator.contains(f(), 3)"),
    "a check's own method replaced": (
        "def f(t):\n t.assertEqual = lambda *a: None\n return 4",
        "import unittest\nclass T(unittest.TestCase):\n def test(self):\n  try: self.assertEqual(f(self), 3)\n"
        "  except AttributeError: self.fail()\nunittest.main()",
    ),
    "eval that was handed over": (
        "def f(g):\n try: return g('expected')\n except BaseException: return 0",
        "expected = 3\nassert f(eval) == expected",
    ),
    "a built-in function for an answer": ("def f(): return lambda *a: Liar()", "assert f()(1) == 3"),
    "threads that go on": (
        "import threading, time\ndef loop():\n while True: time.sleep(0.001)\n"
        "threading.Thread(target=loop, daemon=True).start()\ndef f(): return 4",
        "assert f() == 3",
    ),
    "a changed list": ("def f(a):\n a[:] = []\n return []", "a = [1, 2]\nb = list(a)\nassert f(a) == b"),
    "an exception of another's name": (
        "class KeyError(BaseException): pass\ndef f(): raise KeyError('x')",
        "try: f()\nexcept LookupError: pass\nelse: assert False",
    ),
    "deep": ("def f():\n a = []\n for _ in range(5000): a = [a]\n return a", "assert f() == 3"),
    "large": ("def f(): return 'x' * (40 << 20)", "assert f() == 3"),
    "endless recursion both ways": ("def f(g): return g(g)", "def g(h): return f(h)\nassert f(g) == 3"),
}  # fmt: skip
