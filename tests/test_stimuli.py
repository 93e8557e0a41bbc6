"""Tokens, pooling weights, batches and layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_tokenizer
from transformers import AutoTokenizer

from evmlx.corpus import load_corpus
from evmlx.errors import EvmlxError
from evmlx.stimuli import (
    Stimulus,
    first_pooled,
    plan_batches,
    primary_layer,
    sampled_layers,
    stimuli_digest,
    token_batch,
    tokenize,
)

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}</s>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(scope="module")
def corpus():
    return load_corpus()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder, TEMPLATE)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def stimuli(corpus, tokenizer):
    return tokenize(corpus, tokenizer)


def test_every_text_is_there_once(corpus, stimuli) -> None:
    counts = {kind: sum(s.kind == kind for s in stimuli) for kind in {s.kind for s in stimuli}}
    assert counts == {
        "stories": 3000,
        "dialogues": 100,
        "passages": 100,
        "scenarios": 160,
        "scenarios_last": 80,
        "intensity": 70,
        "intensity_control": 70,
        "fingerprint": 3,
    }
    assert len({(s.kind, s.id) for s in stimuli}) == len(stimuli)
    assert [s.id for s in stimuli if s.kind == "stories"] == [s.id for s in corpus.stories]


def test_graded_texts_carry_their_numbers_written_out(corpus, tokenizer, stimuli) -> None:
    for kind in ("intensity", "intensity_control"):
        found = [s for s in stimuli if s.kind == kind]
        assert [s.id for s in found] == [
            f"{template.id}/{value:g}" for template in corpus.intensity for value in template.values
        ]
    richest = next(s for s in stimuli if s.id == "joyful-lottery-win/2e+06")
    template = next(t for t in corpus.intensity if t.id == "joyful-lottery-win")
    written = tokenizer.decode(richest.ids, skip_special_tokens=True)
    assert written == template.text.replace("{n}", "2000000")
    assert template.at(0.5) == template.text.replace("{n}", "0.5")


def test_special_tokens_count_as_real_ones(corpus, stimuli) -> None:
    story = next(s for s in stimuli if s.kind == "stories")
    assert story.ids[0] == 1
    assert len(story.ids) == 1 + len(corpus.stories[0].text.encode())  # a byte a token


@pytest.mark.parametrize(("tokens", "start"), [(2, 1), (3, 1), (99, 49), (100, 50), (700, 50)])
def test_pooling_starts_at_fifty_or_half(tokens: int, start: int) -> None:
    assert first_pooled(tokens) == start


def test_messages_pool_the_users_tokens_alone(corpus, tokenizer, stimuli) -> None:
    message = next(s for s in corpus.scenarios if s.battery == "message")
    inside = next(s for s in stimuli if s.kind == "scenarios" and s.id == message.id)
    last = next(s for s in stimuli if s.kind == "scenarios_last" and s.id == message.id)
    assert tokenizer.decode(inside.ids) == f"[user] {message.text}</s>[assistant]"
    assert tokenizer.decode(inside.ids[inside.start : inside.stop]) == message.text
    np.testing.assert_array_equal(inside.ids, last.ids)
    assert (last.start, last.stop) == (len(last.ids) - 1, len(last.ids))


def test_without_a_chat_template_messages_are_plain_texts(corpus, tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    plain = tokenize(corpus, AutoTokenizer.from_pretrained(tmp_path))
    assert not [s for s in plain if s.kind == "scenarios_last"]
    message = next(s for s in plain if s.id.startswith("message"))
    assert message.start == first_pooled(len(message.ids))


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{{ messages[0].role }}"])
def test_a_chat_template_that_fails_is_said_and_left_out(
    corpus, tmp_path: Path, template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tokenizer(tmp_path, template)
    found = tokenize(corpus, AutoTokenizer.from_pretrained(tmp_path))
    assert "the chat template fails" in capsys.readouterr().err
    assert not [s for s in found if s.kind == "scenarios_last"]
    assert sum(s.kind == "scenarios" for s in found) == 160


def test_padding_side_of_the_tokenizer_makes_no_difference(corpus, tokenizer, stimuli) -> None:
    tokenizer.padding_side = "left"
    assert stimuli_digest(tokenize(corpus, tokenizer)) == stimuli_digest(stimuli)


def test_a_text_of_one_token_names_file_line_and_field(corpus, tmp_path: Path, tokenizer) -> None:
    (tmp_path / "joyful.jsonl").write_text(json.dumps({"text": "other"}) + '\n{"text": ""}\n')
    short = replace(corpus, root=tmp_path, stories=(replace(corpus.stories[0], text=""),))
    with pytest.raises(EvmlxError, match=r"joyful\.jsonl:2: field 'text' has 1 token"):
        tokenize(short, tokenizer)


def test_a_text_longer_than_the_model_holds_is_refused(corpus, tokenizer) -> None:
    with pytest.raises(EvmlxError, match="holds 200 positions"):
        tokenize(corpus, tokenizer, context=200)


def test_batches_hold_each_text_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(2, 300, 500).tolist()
    batches = plan_batches(lengths, 1000)
    assert sorted(i for batch in batches for i in batch) == list(range(500))
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= 1000
    padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert padded < 1.1 * sum(lengths)


def test_a_text_over_the_budget_has_a_batch_of_its_own() -> None:
    assert plan_batches([10, 5000, 10], 100) == [[1], [0, 2]]


def test_weights_are_a_mean_over_pooled_positions() -> None:
    a = Stimulus("stories", "a", np.arange(5, dtype=np.int32), 2, 5)
    b = Stimulus("stories", "b", np.arange(3, dtype=np.int32), 2, 3)
    batch = token_batch([a, b])
    third = np.float32(1 / 3)
    np.testing.assert_array_equal(batch.weights, [[0, 0, third, third, third], [0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(batch.lengths, [5, 3])
    np.testing.assert_array_equal(batch.ids, [[0, 1, 2, 3, 4], [0, 1, 2, 0, 0]])


@pytest.mark.parametrize(
    ("blocks", "layers", "primary"),
    [(30, (8, 15, 19, 24), 19), (32, (8, 16, 20, 25), 20), (28, (7, 14, 17, 22), 17),
     (25, (7, 12, 16, 20), 16), (1, (0,), 0), (2, (0, 1), 1)],
)  # fmt: skip
def test_sampled_and_primary_layers(blocks: int, layers: tuple[int, ...], primary: int) -> None:
    assert sampled_layers(None, blocks) == layers
    assert primary_layer(layers, blocks) == primary


def test_layers_as_asked_for() -> None:
    assert sampled_layers("19, 3,3", 30) == (3, 19)
    assert sampled_layers("all", 4) == (0, 1, 2, 3)
    for wrong, message in (("30", "blocks 0 to 29, not 30"), ("-1", "not -1"), ("x", "8,15,19")):
        with pytest.raises(EvmlxError, match=message):
            sampled_layers(wrong, 30)


def test_digest_sees_ids_and_pooling() -> None:
    s = Stimulus("stories", "a", np.arange(5, dtype=np.int32), 2, 5)
    others = [replace(s, start=1), replace(s, ids=s.ids + 1), replace(s, id="b")]
    assert len({stimuli_digest([x]) for x in (s, *others)}) == 4
