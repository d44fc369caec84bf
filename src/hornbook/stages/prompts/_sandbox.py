"""The sandbox in which templates of prompts are compiled, with what Hornbook adds to Jinja."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from hornbook.core.errors import nearest
from hornbook.stages.prompts._drawing import DRAWS
from hornbook.stages.prompts._extracts import cut
from hornbook.stages.prompts._wording import Wording

SLOTTED = ("audience", "phrase")


class Draws:
    """What the template being rendered draws from: set before each prompt."""

    __slots__ = ("at", "numbers", "slots")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.at = 0
        self.slots: dict[str, Sequence[str]] = {}

    def below(self, many: int) -> int:
        """The next draw: a number from 0, under `many`."""
        at = self.at
        self.at = at + 1
        return self.numbers[at % DRAWS] * many >> 32


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox of one language's templates."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_there,
            extensions=[_Pick, _Part],
        )
        self.wording = wording
        self.draws = draws = Draws()

        @pass_context
        def below(_: Any, many: int) -> int:
            return draws.below(many)

        @pass_context
        def pick(_: Any, of: Sequence[Any]) -> Any:
            return of[draws.below(len(of))]

        @pass_context
        def slot(_: Any, name: str) -> str:
            of = draws.slots[name]
            return of[draws.below(len(of))]

        @pass_context
        def some(_: Any, of: Sequence[Any], least: int, most: int) -> list[Any]:
            return _some(draws, of, least, most)

        self.filters.update(below=below, pick=pick, slot=slot, some=some, cut=cut)


def _there(value: Any) -> Any:
    """Nothing is printed for what a seed lacks: that is a mistake of the template."""
    if value is None:
        raise TemplateError("a variable is printed that this seed does not have")
    return value


def _some(draws: Draws, of: Sequence[Any], least: int, most: int) -> list[Any]:
    """`least` to `most` items, in their order; all where there are no more than `most`."""
    if len(of) <= most:
        return list(of)
    many, places = least + draws.below(most - least + 1), list(range(len(of)))
    return [of[at] for at in sorted(places.pop(draws.below(len(places))) for _ in range(many))]


class _Pick(Extension):
    """`{% pick %}one{% or %}another{% endpick %}`."""

    tags = {"pick"}  # noqa: RUF012 (as jinja2 declares it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        line = next(parser.stream).lineno
        bodies: list[list[nodes.Node]] = []
        ended = False
        while not ended:
            bodies.append(parser.parse_statements(("name:or", "name:endpick")))
            ended = next(parser.stream).value == "endpick"
        drawn = parser.free_identifier(line)
        number = nodes.Filter(nodes.Const(len(bodies)), "below", [], [], None, None, lineno=line)

        def case(at: int) -> nodes.If:
            test = nodes.Compare(drawn, [nodes.Operand("eq", nodes.Const(at))], lineno=line)
            return nodes.If(test, bodies[at], [], [], lineno=line)

        first, *others = [case(at) for at in range(len(bodies))]
        if others:
            first.else_ = others.pop().body
        first.elif_ = others
        return [nodes.Assign(drawn, number, lineno=line), first]


class _Part(Extension):
    """`{% part NAME %}`: a part of the wording, put in where the template is parsed."""

    tags = {"part"}  # noqa: RUF012 (as jinja2 declares it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        line = next(parser.stream).lineno
        name = parser.stream.expect("name").value
        wording: Wording = self.environment.wording  # type: ignore[attr-defined]
        if name not in wording.parts:
            have = ", ".join(sorted(wording.parts)) or "none"
            raise TemplateSyntaxError(f"no part `{name}` in the wording of {wording.language}; there are {have}", line)
        inner = Parser(self.environment, wording.parts[name], f"part {name}", parser.filename)
        inner._last_identifier = parser._last_identifier
        try:
            body = inner.parse().body
        except TemplateSyntaxError as error:
            raise TemplateSyntaxError(f"in part `{name}`: {error.message}", line) from None
        parser._last_identifier = inner._last_identifier
        for node in body:
            node.set_lineno(line, override=True)
        return body


class Slots(NodeTransformer):
    """Checks the names in a template, and makes draws of `audience.X` and `phrase.X`."""

    def __init__(self, wording: Wording, audiences: Sequence[str], known: set[str], path: Path) -> None:
        self.wording, self.audiences, self.known, self.path = wording, audiences, known, path
        self.slots: dict[str, None] = {}

    def read(self, tree: nodes.Template) -> list[str]:
        """The slots that the template uses."""
        mine = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
        mine |= {node.name for node in tree.find_all(nodes.NSRef)}
        self.known = self.known | mine | {"loop"}
        self.visit(tree)
        if tree.environment is not None:
            tree.set_environment(tree.environment)
        return list(self.slots)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        """`audience.reader` → a draw among its alternatives."""
        if not (isinstance(node.node, nodes.Name) and node.node.name in SLOTTED):
            return self.generic_visit(node)
        slot = f"{node.node.name}.{node.attr}"
        for where, have in self._tables(node.node.name):
            if slot != "audience.name" and node.attr not in have:
                like = nearest(node.attr, have)
                raise TemplateSyntaxError(
                    f"`{slot}` has no wording{where} in {self.wording.language}"
                    + (f", did you mean `{like}`?" if like else f"; there are {', '.join(have) or 'none'}"),
                    node.lineno,
                )
        self.slots[slot] = None
        return nodes.Filter(nodes.Const(slot), "slot", [], [], None, None, lineno=node.lineno)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        """A name that nothing gives a value is a mistake."""
        if node.ctx == "load" and node.name not in self.known:
            like = nearest(node.name, [*self.known, *SLOTTED])
            hint = f", did you mean `{like}`?" if like else ""
            raise TemplateSyntaxError(
                f"nothing is named `{node.name}`{hint} (columns of the seeds must stand in needs or uses)", node.lineno
            )
        return node

    def _tables(self, kind: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
        if kind == "phrase":
            yield "", self.wording.phrases
        else:
            yield from ((f" for {name}", self.wording.audiences[name]) for name in self.audiences)
