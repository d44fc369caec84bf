"""The student above goes on with beginnings: from texts to texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.core.stage import Inputs


@dataclass(frozen=True, slots=True)
class How:
    """How the student writes; as the knobs of the stages that let it.

    Args:
        temperature: 0 is greedy.
        top_k: among so many likeliest tokens; 0 for all.
        most: tokens written at most.
        seed: of the draws.
        batch: texts written at once.
        device: auto, cpu or cuda.
        stops: a text ends before the first of these.
    """

    temperature: float
    top_k: int
    most: int
    seed: int
    batch: int
    device: str
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What the student wrote.

    Args:
        text: without the beginning, and without what stopped it.
        ended: whether it came to its end by itself, or to a stop.
        cut: whether the beginning lost its own beginning, being longer than half the context.
    """

    text: str
    ended: bool
    cut: bool


def write(inputs: Inputs, beginnings: Sequence[str], names: Sequence[str], how: How) -> list[Written]:
    """What the nearest student writes after each beginning, in order.

    Args:
        beginnings: texts, each read after an end-of-text token.
        names: a name for each, for its own stream of random numbers.

    Raises:
        UserError: the tokens above have another vocabulary than the student.
    """
    from tokenizers import Tokenizer

    from hornbook.nn.export import load_student, same_vocabulary
    from hornbook.nn.machine import kept_threads, pick_device
    from hornbook.nn.sampler import Sampling, sample
    from hornbook.nn.tokens import Tokens

    tokens, student = Tokens(inputs.nearest("tokens").folder), inputs.nearest("student").folder / "student"
    same_vocabulary(student, tokens)
    tokenizer = Tokenizer.from_file(str(tokens.folder / "tokenizer.json"))
    different = list(dict.fromkeys(beginnings))
    ids = [one.ids for one in tokenizer.encode_batch(different, add_special_tokens=False)]
    known = {text: [tokens.end, *some] for text, some in zip(different, ids, strict=True)}
    order = sorted(range(len(beginnings)), key=lambda at: len(known[beginnings[at]]))  # alike lengths: little filler

    def enough(texts: Sequence[Sequence[int]]) -> list[bool]:
        said = tokenizer.decode_batch([list(text) for text in texts], skip_special_tokens=False)
        return [any(stop in text for stop in how.stops) for text in said]

    sampling = Sampling(how.temperature, how.top_k, how.most, tokens.end, how.seed)
    with kept_threads(1):
        model = load_student(student).to(pick_device(how.device))
        prompts = [known[beginnings[at]] for at in order]
        asked = [names[at] for at in order]
        said = list(sample(model, prompts, asked, sampling, how.batch, enough if how.stops else None))
    found: dict[int, Written] = {}
    for at, (some, ended) in zip(order, said, strict=True):
        text, stopped = _stopped(str(tokenizer.decode(some, skip_special_tokens=False)), how.stops)
        found[at] = Written(text, ended or stopped, len(known[beginnings[at]]) > max(1, model.shape.context // 2))
    return [found[at] for at in range(len(beginnings))]


def _stopped(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """A text before its first stop, and whether there was one."""
    first = min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)
    return (text, False) if first < 0 else (text[:first], True)
