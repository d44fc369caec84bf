"""The student is a Llama: the same weights give the same logits in `transformers`."""

import pytest
import torch

from hornbook.nn.export import load_student, save_student
from hornbook.nn.model import Student
from hornbook.nn.shape import Shape, shape_for

SHAPES = [
    shape_for(1, 260, 32),
    shape_for(3, 300, 64),
    Shape(vocab=270, context=24, depth=2, width=48, heads=3, hidden=80),
]


def _lively(shape, seed=3):
    """A student whose logits are far from flat, so that a difference would show."""
    model = Student(shape, seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0) if weight.ndim == 2 else weight.add_(torch.randn_like(weight) * 0.2)
    return model.eval()


def _ids(shape, rows=3):
    return torch.randint(0, shape.vocab, (rows, shape.context), generator=torch.Generator().manual_seed(5))


@pytest.fixture
def tokenizer(tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        ["a fox and a ball"],
        trainers.BpeTrainer(
            vocab_size=260, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    made.save(str(tmp_path / "given.json"))
    return tmp_path / "given.json"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"d{s.depth}w{s.width}")
def test_transformers_gives_the_same_logits(tmp_path, shape, tokenizer):
    from transformers import AutoModelForCausalLM

    model = _lively(shape)
    save_student(model, tmp_path / "student", tokenizer=tokenizer, end=0, end_text="<|endoftext|>")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "student", dtype=torch.float32).eval()
    ids = _ids(shape)
    with torch.no_grad():
        ours, other = model(ids), theirs(ids).logits
    assert ours.std() > 0.5
    assert (ours - other).abs().max() < 1e-5
    assert type(theirs).__name__ == "LlamaForCausalLM"
    assert theirs.num_parameters() == shape.params


def test_a_llama_made_by_transformers_is_read(tmp_path, tokenizer):
    """The other way round: the reference draws the weights, we read them."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=280, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=40, rms_norm_eps=1e-5, tie_word_embeddings=True,
        initializer_range=0.2,
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    model = load_student(tmp_path / "theirs")
    ids = _ids(model.shape)
    with torch.no_grad():
        assert (model(ids) - theirs(ids).logits).abs().max() < 1e-4 * theirs(ids).logits.abs().max()


def test_the_exported_tokenizer_loads(tmp_path, tokenizer):
    from transformers import AutoTokenizer

    save_student(Student(SHAPES[0]), tmp_path / "student", tokenizer=tokenizer, end=0, end_text="<|endoftext|>")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "student")
    assert loaded.eos_token_id == loaded.bos_token_id == 0
    assert loaded.decode(loaded("a fox's  ball .")["input_ids"]) == "a fox's  ball ."


def test_a_student_comes_back_bit_for_bit(tmp_path, tokenizer):
    model = _lively(SHAPES[1])
    save_student(model, tmp_path / "student", tokenizer=tokenizer, end=0, end_text="<|endoftext|>")
    back = load_student(tmp_path / "student")
    assert back.shape == model.shape
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), back.parameters(), strict=True))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"d{s.depth}w{s.width}")
def test_explicit_attention_is_attention(shape):
    model, ids = _lively(shape), _ids(shape)
    with torch.no_grad():
        assert (model(ids) - model(ids, explicit=True)).abs().max() < 1e-5


def test_the_future_is_not_seen():
    model, ids = _lively(SHAPES[1]), _ids(SHAPES[1])
    other = ids.clone()
    other[:, 20:] = (other[:, 20:] + 1) % SHAPES[1].vocab
    for explicit in (False, True):
        with torch.no_grad():
            a, b = model(ids, explicit=explicit), model(other, explicit=explicit)
        assert (a[:, :20] - b[:, :20]).abs().max() < 1e-5
        assert (a[:, 20:] - b[:, 20:]).abs().max() > 0.1


def test_a_seed_fixes_the_weights():
    a, b, c = Student(SHAPES[0], 1), Student(SHAPES[0], 1), Student(SHAPES[0], 2)
    assert torch.equal(a.embed.weight, b.embed.weight)
    assert not torch.equal(a.embed.weight, c.embed.weight)
