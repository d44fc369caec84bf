"""Programs that do what their checks say, by every means that honest programs use: name → program, checks."""

HONEST = {
    "plain values": (
        "def f(*a): return a",
        """
        import math
        assert f(1, 2.5, "x", None, True, b"y", 1j) == (1, 2.5, "x", None, True, b"y", 1j)
        assert f(10 ** 5000) == (10 ** 5000,) and math.isnan(f(math.nan)[0]) and str(f(-0.0)[0]) == "-0.0"
        assert f("\\ud800")[0] == "\\ud800" and f({1: {2}}, range(3)) == ({1: {2}}, range(3))
        """,
    ),
    "arguments changed in place": (
        """
        def f(a):
            a.sort()
            return a
        def g(d, s, q):
            d["new"] = d; s.add(9); q.append(q.pop() + 1)
        """,
        """
        from collections import deque
        a = [3, 1, 2]
        assert f(a) is a and a == [1, 2, 3]
        d, s, q = {}, {1}, deque([1], 4)
        g(d, s, q)
        assert d["new"] is d and s == {1, 9} and q == deque([2]) and q.maxlen == 4
        """,
    ),
    "a list that the program keeps is the caller's": (
        """
        class Stack:
            def __init__(self): self.items = []
            def push(self, x): self.items.append(x); return self
        """,
        """
        s = Stack()
        held = s.items
        s.push(1).push(2)
        assert held == [1, 2]
        held.append(3)
        assert s.items == [1, 2, 3] and s.items is held
        """,
    ),
    "classes": (
        """
        from dataclasses import dataclass, field
        from enum import Enum, IntEnum
        from collections import namedtuple
        @dataclass(order=True)
        class P:
            x: int
            y: list = field(default_factory=list)
        @dataclass(frozen=True)
        class F: a: str
        class Base:
            kind = "base"
            def __init__(self): self._v = 1
            @property
            def v(self): return self._v
            @v.setter
            def v(self, value):
                if value < 0: raise ValueError("negative")
                self._v = value
            @classmethod
            def make(cls): return cls()
            @staticmethod
            def two(): return 2
        class Child(Base):
            def __str__(self): return f"child {self.v}"
            def __call__(self, k): return k * self.v
        class Color(Enum): RED = 1; BLUE = 2
        class Level(IntEnum): LOW = 1; HIGH = 5
        Point = namedtuple("Point", "x y")
        """,
        """
        import dataclasses
        p = P(1)
        assert p == P(1) and p != P(2) and p < P(2) and p.y == [] and repr(p) == "P(x=1, y=[])"
        assert dataclasses.is_dataclass(p) and dataclasses.asdict(p) == {"x": 1, "y": []}
        assert dataclasses.replace(p, x=4) == P(4) and sorted([P(3), P(1)])[0].x == 1
        assert len({F("a"), F("a"), F("b")}) == 2 and {F("k"): 1}[F("k")] == 1
        c = Child.make()
        assert isinstance(c, Base) and issubclass(Child, Base) and not isinstance(c, P) and type(c) is Child
        assert c.v == 1 and Child.kind == c.kind == "base" and c.two() == 2 and c(3) == 3
        c.v = 5
        assert str(c) == f"{c}" == "child 5" and type(c).__name__ == "Child" and hasattr(c, "v") and not hasattr(c, "w")
        try:
            c.v = -1
        except ValueError as error:
            assert str(error) == "negative"
        else:
            assert False
        assert Color.RED is Color(1) and Color["BLUE"].value == 2 and [x.name for x in Color] == ["RED", "BLUE"]
        assert len(Color) == 2 and Color.RED in Color and Color.RED == Color.RED and Color.RED != Color.BLUE
        assert Level.HIGH == 5 and Level.LOW < 3 and Level.HIGH + 1 == 6 and isinstance(Level.LOW, int)
        q = Point(1, 2)
        assert q == (1, 2) and q.x == 1 and q._asdict() == {"x": 1, "y": 2} and q._replace(x=5) == (5, 2)
        assert isinstance(q, tuple) and [*q] == [1, 2] and Point._fields == ("x", "y")
        """,
    ),
    "operators of its own": (
        """
        class V:
            def __init__(self, *c): self.c = list(c)
            def __add__(self, o): return V(*(a + b for a, b in zip(self.c, o.c)))
            def __mul__(self, k):
                return V(*(a * k for a in self.c)) if isinstance(k, int) else sum(a * b for a, b in zip(self.c, k.c))
            __rmul__ = __mul__
            def __truediv__(self, k): return V(*(a / k for a in self.c))
            def __eq__(self, o): return isinstance(o, V) and self.c == o.c
            def __neg__(self): return V(*(-a for a in self.c))
            def __len__(self): return len(self.c)
            def __getitem__(self, i): return self.c[i]
            def __setitem__(self, i, x): self.c[i] = x
            def __iter__(self): return iter(self.c)
            def __contains__(self, x): return x in self.c
            def __abs__(self): return sum(a * a for a in self.c) ** 0.5
            def __bool__(self): return any(self.c)
        """,
        """
        v, w = V(3, 4), V(1, 1)
        assert v + w == V(4, 5) and v * 2 == V(6, 8) == 2 * v and v * w == 7 and -w == V(-1, -1)
        assert (v / 2).c == [1.5, 2.0] and v / 2 == V(1.5, 2) and abs(v) == 5 and abs(v * 2) == 10
        assert len(v) == 2 and v[0] == 3 and list(v) == [3, 4] and 3 in v and 9 not in v and v and not V(0)
        w[0] = 7
        assert w.c == [7, 1] and [*w] == [7, 1] and max(v) == 4 and v[-1:] == [4]
        """,
    ),
    "exceptions": (
        """
        import json
        class Low(ValueError):
            def __init__(self, need, has):
                super().__init__(f"need {need}, has {has}")
                self.need = need
        class Lower(Low): pass
        def f(kind):
            if kind == "own": raise Lower(5, 3)
            if kind == "key": return {}["k"]
            if kind == "json": return json.loads("{")
            if kind == "os": raise FileNotFoundError(2, "no such", "name")
            if kind == "from":
                try: int("x")
                except ValueError as e: raise RuntimeError("outer") from e
            raise SystemExit(3)
        """,
        """
        import json, unittest
        class T(unittest.TestCase):
            def test(self):
                with self.assertRaises(Low) as seen: f("own")
                self.assertEqual(seen.exception.need, 5)
                self.assertIsInstance(seen.exception, Lower)
                with self.assertRaisesRegex(ValueError, "need 5, has 3"): f("own")
                with self.assertRaises(KeyError): f("key")
                with self.assertRaises(json.JSONDecodeError) as seen: f("json")
                self.assertEqual(seen.exception.pos, 1)
                with self.assertRaises(OSError) as seen: f("os")
                self.assertEqual((seen.exception.errno, seen.exception.filename), (2, "name"))
                with self.assertRaises(RuntimeError) as seen: f("from")
                self.assertIsInstance(seen.exception.__cause__, ValueError)
                with self.assertRaises(SystemExit) as seen: f("exit")
                self.assertEqual(seen.exception.code, 3)
        unittest.main(argv=["x"])
        """,
    ),
    "callbacks": (
        """
        def apply(f, *a): return f(*a)
        def compose(*fs):
            def run(x):
                for f in fs: x = f(x)
                return x
            return run
        def deco(f):
            import functools
            @functools.wraps(f)
            def inner(*a, **k): return ("inner", f(*a, **k))
            return inner
        def ordered(xs, key): return sorted(xs, key=key)
        def tree(n): return 0 if n is None else 1 + max(tree(n.left), tree(n.right))
        def feed(out): out.write("x"); return out
        def try_it(f):
            try: f()
            except KeyError as e: return e.args
        """,
        """
        import io, operator, functools
        from unittest.mock import Mock
        assert apply(lambda a, b: a - b, 5, 3) == 2 and apply(operator.add, 1, 2) == 3 and apply(len, "abc") == 3
        assert compose(lambda x: x + 1, str, functools.partial(int, base=16))(7) == 8
        @deco
        def named(x, y=2):
            "doc"
            return x * y
        assert named(4) == ("inner", 8) and named(4, y=3) == ("inner", 12) and named.__name__ == "named"
        assert ordered(["bb", "a"], key=len) == ["a", "bb"] and ordered([(1, 2), (2, 1)], lambda p: p[1])[0] == (2, 1)
        class Node:
            def __init__(self, left=None, right=None): self.left, self.right = left, right
        assert tree(Node(Node(Node()), Node())) == 3
        assert feed(io.StringIO()).getvalue() == "x"
        mock = Mock(return_value=4)
        assert apply(mock, 1) == 4
        mock.assert_called_once_with(1)
        def raises(): raise KeyError("k")
        assert try_it(raises) == ("k",)
        got = []
        apply(got.append, 5)
        assert got == [5]
        """,
    ),
    "iterators, generators, coroutines, context managers": (
        """
        import asyncio, contextlib
        log = []
        def count():
            n = 0
            while True:
                log.append(n)
                got = yield n
                n = got or n + 1
        def pairs(d): return d.items()
        def lazily(xs): return map(str, xs)
        async def slow(x):
            await asyncio.sleep(0)
            return x * 2
        async def ticks():
            for k in range(3): yield k
        @contextlib.contextmanager
        def tagged(out):
            out.append("in")
            try: yield "tag"
            finally: out.append("out")
        class Quiet:
            def __enter__(self): return self
            def __exit__(self, kind, error, trace): return kind is ZeroDivisionError
        class Up:
            def __init__(self, n): self.n = n
            def __iter__(self): self.k = 0; return self
            def __next__(self):
                if self.k >= self.n: raise StopIteration
                self.k += 1
                return self.k
        """,
        """
        import asyncio, itertools, types, inspect
        c = count()
        assert next(c) == 0 and next(c) == 1 and c.send(7) == 7 and log == [0, 1, 7]
        assert isinstance(c, types.GeneratorType)
        c.close()
        assert list(c) == [] and list(itertools.islice(count(), 3)) == [0, 1, 2]
        assert list(lazily([1, 2])) == ["1", "2"] and dict(pairs({1: 2})) == {1: 2} and list(Up(3)) == [1, 2, 3]
        async def main():
            return await slow(3), await asyncio.gather(slow(1), slow(2)), [k async for k in ticks()]
        assert asyncio.run(slow(2)) == 4 and asyncio.run(main()) == (6, [2, 4], [0, 1, 2])
        out = []
        with tagged(out) as tag: assert tag == "tag" and out == ["in"]
        assert out == ["in", "out"]
        with Quiet(): 1 / 0
        assert inspect.isfunction(slow) and list(inspect.signature(pairs).parameters) == ["d"]
        """,
    ),
    "output in order": (
        """
        import sys
        def say(x): print("said", x); print("err", file=sys.stderr); return x
        """,
        """
        import contextlib, io
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            print("before"); say(1); print("after"); say(2)
        assert out.getvalue() == "before\\nsaid 1\\nafter\\nsaid 2\\n" and err.getvalue() == "err\\nerr\\n"
        """,
    ),
    "containers of its own": (
        """
        from collections import Counter, OrderedDict, defaultdict, UserDict
        class L(list):
            def second(self): return self[1]
        class D(dict):
            def __getattr__(self, k): return self[k]
        def counts(s): return Counter(s)
        def groups(xs):
            d = defaultdict(list)
            for x in xs: d[x % 2].append(x)
            return d
        class U(UserDict): pass
        """,
        """
        import copy
        l = L([1, 2])
        l.append(3)
        assert l == [1, 2, 3] and l.second() == 2 and len(l) == 3 and isinstance(l, list)
        assert sorted(l)[0] == 1 and 3 in l
        d = D(a=1)
        d["b"] = 2
        assert d == {"a": 1, "b": 2} and d.b == 2 and dict(d) == {"a": 1, "b": 2} and isinstance(d, dict)
        assert counts("aab") == {"a": 2, "b": 1} and counts("aab").most_common(1) == [("a", 2)]
        assert groups([1, 2, 3]) == {1: [1, 3], 0: [2]} and groups([])[5] == []
        u = U(a=1)
        v = copy.deepcopy(u)
        v["a"] = 2
        assert u["a"] == 1 and list(u) == ["a"] and "a" in u and "b" not in u and u.get("z") is None
        """,
    ),
    "names of the program": (
        """
        limit = 3
        _hidden = 4
        def sum(a, b): return a + b + 100
        def grow():
            global limit
            limit += 1
        """,
        """
        from __main__ import sum
        import __main__
        assert limit == 3 and _hidden == 4 and sum(1, 2) == 103 and __main__.limit == 3
        def inner(): return [limit for _ in range(2)]
        grow()
        assert inner() == [4, 4] and (lambda: limit)() == 4 and abs(-1) == 1
        try: nothing
        except NameError as error: assert "nothing" in str(error)
        """,
    ),
    "patched attributes": (
        """
        class Clock:
            def now(self): return 5
        def later(c): return c.now() + 1
        """,
        """
        from unittest.mock import patch
        c = Clock()
        with patch.object(c, "now", lambda: 7): assert later(c) == 8
        with patch.object(Clock, "now", return_value=9) as mock:
            assert later(c) == 10
            mock.assert_called_once()
        assert later(c) == 6
        """,
    ),
    "unittest": (
        "def f(x): return x + 1",
        """
        import unittest
        class T(unittest.TestCase):
            def test_f(self):
                for k in range(3):
                    with self.subTest(k=k): self.assertEqual(f(k), k + 1)
        if __name__ == "__main__": unittest.main()
        """,
    ),
}
