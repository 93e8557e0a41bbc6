"""The gate: a planted corpus passes, and each planted fault is found by its own check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from evmlx.cli.corpus import corpus as commands
from evmlx.corpus import load_corpus
from evmlx.corpus.gate import CorpusCheck, check_corpus
from evmlx.errors import EvmlxError

EMOTIONS = ("joyful", "weary", "furious")
TOPICS = tuple(f"topic-{letter}" for letter in "abcdefgh")
SCENES = range(4)
VOCABULARY = [a + b + c for a in "bdkmt" for b in "aeiou" for c in ("na", "ro", "li", "su", "ve")]

Stories = dict[tuple[str, str, int], dict[str, Any]]


def planted() -> Stories:
    """Stories of 30 random words in three sentences: nothing gives an emotion away."""
    rng = np.random.default_rng(7)
    stories: Stories = {}
    for emotion in EMOTIONS:
        for topic in TOPICS:
            for scene in SCENES:
                words = rng.choice(VOCABULARY, 30)
                sentences = [" ".join(words[k : k + 10]).capitalize() + "." for k in (0, 10, 20)]
                stories[emotion, topic, scene] = {
                    "emotion": emotion,
                    "topic_id": topic,
                    "story_index": scene,
                    "perspective": ("first", "third")[scene % 2],
                    "text": " ".join(sentences),
                }
    return stories


def write(root: Path, stories: Stories) -> Path:
    (root / "stories").mkdir(parents=True, exist_ok=True)
    scenes = [{"scene_index": k} for k in SCENES]
    topics = [{"id": t, "premise": f"About {t}.", "scenes": scenes} for t in TOPICS]
    (root / "emotions.json").write_text(json.dumps({"flat": EMOTIONS}))
    (root / "topics.json").write_text(json.dumps({"topics": topics}))
    (root / "refused_stems.json").write_text(json.dumps({"stems": [r"joy\w*", "glad", "sad|woe"]}))
    (root / "neutral_dialogues.jsonl").write_text('{"text": "Person: One?\\nAI: Two."}\n')
    for emotion in EMOTIONS:
        own = [entry for entry in stories.values() if entry["emotion"] == emotion]
        lines = "".join(json.dumps(entry) + "\n" for entry in own)
        (root / "stories" / f"{emotion}.jsonl").write_text(lines)
    files = [p for p in root.rglob("*") if p.is_file() and p.name != "manifest.json"]
    manifest = {
        "name": "planted",
        "version": "0.1",
        "stories": len(stories),
        "sha256": {
            p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in files
        },
    }
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


def failed(result: CorpusCheck) -> list[str]:
    return [check.name for check in result.checks if check.passed is False]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clean") / "planted", planted())


def test_clean_corpus_passes_with_text_near_chance(clean: Path) -> None:
    result = check_corpus(load_corpus(clean))
    assert result.passed
    assert result.findings == ()
    assert failed(result) == []
    assert result.figures["stories"] == 96
    assert result.figures["whole_cells"] == 32
    assert result.figures["mean_words"] == 30
    for alone in result.text_alone:
        assert alone.accuracy is not None and alone.low is not None and alone.high is not None
        assert alone.chance == pytest.approx(1 / 3)
        # 96 guesses at 1/3: five standard errors
        assert abs(alone.accuracy - 1 / 3) < 5 * np.sqrt(2 / 9 / 96)
        assert alone.low <= alone.accuracy <= alone.high


def drop(stories: Stories) -> None:
    del stories["weary", "topic-c", 2]


def drop_many(stories: Stories) -> None:
    for topic in TOPICS[:2]:
        for scene in SCENES:
            del stories["weary", topic, scene]


def name_it(stories: Stories) -> None:
    stories["weary", "topic-c", 2]["text"] += " Such JOYS."


def lengthen(stories: Stories) -> None:
    for (emotion, _, scene), entry in stories.items():
        if emotion == "furious":
            entry["text"] += " Kara." * (5 + scene % 2)


def one_short_one_long(stories: Stories) -> None:
    short, long = stories["weary", "topic-c", 2], stories["joyful", "topic-a", 1]
    words = [*short["text"].split(), *"kara tomi belu nasi doru".split()]
    short["text"], long["text"] = words[0], f"{long['text']} {' '.join(words[1:-5])} kara tomi."


def repeat(stories: Stories) -> None:
    words = "One, two three four five six - seven EIGHT"
    stories["joyful", "topic-a", 0]["text"] += f" {words}"
    stories["furious", "topic-h", 3]["text"] += " one two three four five. Six seven eight!"


def turn(stories: Stories) -> None:
    for topic in TOPICS:
        stories["joyful", topic, 1]["perspective"] = "first"


FAULTS: dict[str, tuple[Callable[[Stories], None], list[str], tuple[str, ...]]] = {
    "missing telling": (drop, ["crossing"], ("scene topic-c/2 is not told for weary",)),
    "fewer stories": (drop_many, ["counts", "crossing"], ('"weary" has 24 stories and',)),
    "refused word": (name_it, ["refused words"], ('weary/topic-c/2 has "JOYS"',)),
    "length": (lengthen, ["word ranges"], ('stories of "furious" have 35.5 words',)),
    "single lengths": (
        one_short_one_long,
        ["word ranges"],
        ("weary/topic-c/2 has 1 words, all stories 30.0", "joyful/topic-a/1 has 61 words"),
    ),
    "run of words": (
        repeat,
        ["repeated runs"],
        ("joyful/topic-a/0 and furious/topic-h/3 share", "one two three four five six seven eight"),
    ),
    "perspective": (
        turn,
        ["perspective"],
        ('"joyful" is 75% first person, the corpus 58%', "scene"),
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_planted_fault_is_found_by_its_check_alone(tmp_path: Path, case: str) -> None:
    plant, checks, lines = FAULTS[case]
    stories = planted()
    plant(stories)
    result = check_corpus(load_corpus(write(tmp_path / "c", stories)))
    assert not result.passed
    assert failed(result) == checks
    text = "\n".join(result.findings)
    for line in lines:
        assert line in text


def test_seven_words_are_no_run_and_stories_may_repeat_themselves(tmp_path: Path) -> None:
    stories = planted()
    seven = " one two three four five six seven"
    stories["joyful", "topic-a", 0]["text"] += seven + " kana."
    stories["furious", "topic-a", 0]["text"] += seven + " taro."
    stories["weary", "topic-a", 0]["text"] += 2 * " red red blue red red blue blue red."
    assert failed(check_corpus(load_corpus(write(tmp_path / "c", stories)))) == []


def test_a_scenario_may_not_repeat_a_story(clean: Path, tmp_path: Path) -> None:
    """Else the vectors are tried on what they were made of."""
    stories = planted()
    root = write(tmp_path / "c", stories)
    words = stories["weary", "topic-c", 2]["text"].split()
    for count, expected in ((7, []), (8, ["repeated runs"])):
        scenario = {"target": "weary", "battery": "message", "text": " ".join(words[:count])}
        (root / "implicit_scenarios.jsonl").write_text(json.dumps(scenario) + "\n")
        result = check_corpus(load_corpus(root))
        assert [name for name in failed(result) if name != "manifest"] == expected
    line = next(line for line in result.findings if line.startswith("repeated"))
    assert "weary/topic-c/2 and message-weary-0 share" in line
    summary = next(check.summary for check in result.checks if check.name == "counts")
    assert summary.endswith("1 messages, 1 for each of 1 emotions")
    assert "no scenarios" in check_corpus(load_corpus(clean)).checks[1].summary


def test_schema_counts_what_was_read(clean: Path) -> None:
    schema = check_corpus(load_corpus(clean)).checks[0]
    assert schema.name == "schema" and schema.passed
    assert schema.figures == {"entries": 97}  # 96 stories and a dialogue


def test_stems_match_whole_words(tmp_path: Path) -> None:
    stories = planted()
    stories["weary", "topic-c", 2]["text"] += " The killjoy gladly took the saddle to the nomads."
    root = write(tmp_path / "c", stories)
    assert failed(check_corpus(load_corpus(root))) == []
    stories["weary", "topic-c", 2]["text"] += " Woe!"
    assert failed(check_corpus(load_corpus(write(root, stories)))) == ["refused words"]


def test_manifest_faults(tmp_path: Path) -> None:
    root = write(tmp_path / "c", planted())
    path = root / "stories" / "weary.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")  # same content, other bytes
    (root / "stories" / "more.jsonl").write_text("")
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["stories"], manifest["scenes_per_topic"] = 97, 5
    manifest["sha256"]["gone.json"] = "0" * 64
    (root / "manifest.json").write_text(json.dumps(manifest))
    result = check_corpus(load_corpus(root))
    assert failed(result) == ["manifest"]
    assert {line.removeprefix("manifest: ") for line in result.findings} == {
        "stories/weary.jsonl is not the file that manifest.json describes",
        "stories/more.jsonl is not in manifest.json",
        "gone.json is missing",
        "96 stories, but manifest.json says 97",
        *(f"topic {topic} has 4 scenes, but manifest.json says 5" for topic in TOPICS[:6]),
        "and 2 more",
    }


def test_bad_stem_is_an_error_with_its_line(tmp_path: Path) -> None:
    root = write(tmp_path / "c", planted())
    (root / "refused_stems.json").write_text('{"stems": [\n"glad",\n"(joy"]}')
    with pytest.raises(EvmlxError, match=r"refused_stems\.json:3: field stems: .* regular"):
        check_corpus(load_corpus(root))


def test_long_lists_of_findings_are_cut(tmp_path: Path) -> None:
    stories = planted()
    for entry in stories.values():
        entry["text"] += " Glad."
    findings = check_corpus(load_corpus(write(tmp_path / "c", stories))).findings
    assert len(findings) == 11
    assert findings[-1] == "refused words: and 86 more"


# --- the command line ---------------------------------------------------------------------------


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def test_check_command_prints_the_table(clean: Path) -> None:
    result = invoke("check", clean)
    assert result.exit_code == 0
    assert "planted 0.1" in result.output
    assert load_corpus(clean).digest in result.output
    for name in ("counts", "crossing", "manifest", "refused words", "text alone: TF-IDF"):
        assert name in result.output
    assert "no neutral passages" in result.output
    assert "The corpus passes." in result.output


def test_check_command_fails_with_the_findings(tmp_path: Path) -> None:
    stories = planted()
    name_it(stories)
    root = write(tmp_path / "c", stories)
    result = invoke("check", root)
    assert result.exit_code == 1
    assert 'refused words: weary/topic-c/2 has "JOYS"' in result.output
    assert "does not pass" in result.output
    as_json = invoke("check", root, "--json")
    assert as_json.exit_code == 1
    value = json.loads(as_json.output)
    assert value["passed"] is False
    assert value["schema"] == 1
    assert value["corpus_digest"] == load_corpus(root).digest
    assert value["findings"] == ['refused words: weary/topic-c/2 has "JOYS"']
    assert {entry["features"] for entry in value["text_alone"]} == {
        "style",
        "function words",
        "all style",
        "TF-IDF",
    }


def test_check_command_on_bad_input(tmp_path: Path) -> None:
    result = invoke("check", tmp_path / "nowhere")
    assert isinstance(result.exception, EvmlxError)
    assert "nowhere: no such folder" in str(result.exception)


def test_show_prints_the_story_wrapped(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = invoke("show", clean, "--emotion", "weary", "--topic", "topic-c", "--scene", "2")
    assert result.exit_code == 0
    assert "weary/topic-c/2" in result.output
    assert "About topic-c." in result.output
    assert " ".join(planted()["weary", "topic-c", 2]["text"].split()) in " ".join(
        result.output.split()
    )
    assert max(map(len, result.output.splitlines())) <= 40


def test_show_takes_a_part_of_a_topic(clean: Path) -> None:
    result = invoke("show", clean, "--emotion", "weary", "--topic", "ABOUT")
    assert sum(line.startswith("weary/") for line in result.output.splitlines()) == 32
    result = invoke("show", clean, "--emotion", "weary", "--scene", "0")
    assert sum(line.startswith("weary/") for line in result.output.splitlines()) == 8


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--emotion", "wearyy"), 'did you mean "weary"?'),
        (("--emotion", "zzz"), "known are joyful, weary, furious"),
        (("--emotion", "weary", "--topic", "topik-c"), 'did you mean "topic-'),
        (("--emotion", "weary", "--topic", "topic-c", "--scene", "7"), "there are 0, 1, 2, 3"),
    ],
)
def test_show_names_the_nearest_thing(
    clean: Path, arguments: tuple[str, ...], expected: str
) -> None:
    result = invoke("show", clean, *arguments)
    assert isinstance(result.exception, EvmlxError)
    assert expected in str(result.exception)
    assert "\n" not in str(result.exception)


def test_every_command_has_an_example() -> None:
    for arguments in ((), ("check",), ("show",)):
        result = invoke(*arguments, "--help")
        assert result.exit_code == 0
        assert "Example:\n    evmlx corpus " in result.output


# --- the corpus that evmlx ships ----------------------------------------------------------------


@pytest.mark.slow
def test_shipped_corpus_passes_with_the_figures_of_its_readme() -> None:
    result = check_corpus(load_corpus())
    assert result.findings == ()
    assert result.passed
    printed = {"style": 0.19, "function words": 0.34, "all style": 0.38, "TF-IDF": 0.78}
    for alone in result.text_alone:
        assert alone.accuracy == pytest.approx(printed[alone.features], abs=0.02)
        assert (alone.chance, alone.folds, alone.n) == (0.05, 5, 3000)
