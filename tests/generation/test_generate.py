"""`stackc generate` and `stackc.generate` against transformers.generate, token for token; refusals in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Overrides
from stackc.generation.text import TextTokenizer
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"
DECODE = "\ndecode: {along: seq, inputs: [input_ids], whole: [attention_mask], outputs: [logits]}\n"
WORDS = ["<end>", *(f"w{number}" for number in range(1, 61))]
SIZES = {"vocab": "61", "dim": "32", "layers": "2", "heads": "4", "positions": "48"}
PROMPTS = [[5], [17, 3, 44, 9, 60, 1, 2], [7] * 20]


def gpt2() -> Any:
    config = GPT2Config(vocab_size=61, n_embd=32, n_layer=2, n_head=4, n_positions=48, bos_token_id=0, eos_token_id=0)
    return GPT2LMHeadModel(config)


def llama(scaling: dict[str, Any] | None = None) -> Any:
    rope = {"rope_theta": 10000.0, "rope_type": "default", **(scaling or {})}
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=48, max_position_embeddings=48, rope_parameters=rope, bos_token_id=1, eos_token_id=0,
            tie_word_embeddings=False, rms_norm_eps=1e-5,
        )
    )  # fmt: skip


MODELS = {
    "gpt2": (gpt2, {}),
    "llama": (llama, {"kv_heads": "2", "hidden": "48", "tied": "false", "rotary_base": "10000.0"}),
}


@pytest.fixture(scope="module", params=[("gpt2", 23), ("llama", 18)], ids=lambda param: f"{param[0]}-{param[1]}")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An artifact that decodes, and the model of transformers with the same random weights."""
    name, opset = request.param
    make, params = MODELS[name]
    torch.manual_seed(1)
    model = make().eval()
    for parameter in model.parameters():  # so that tokens differ from each other
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)

    folder = tmp_path_factory.mktemp(name)
    spec = folder / f"{name}.yaml"
    spec.write_text((SPECS / f"{name}.yaml").read_text(encoding="utf-8") + DECODE, encoding="utf-8")
    save_file({key: x.clone() for key, x in model.state_dict().items()}, folder / "weights.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token=WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text('{"eos_token_id": [59, 58]}', encoding="utf-8")

    overrides = Overrides(params=SIZES | params)
    options = Options(overrides, folder / "weights.safetensors", folder / "out", opset=opset, verify=False)
    return build(spec, options).folder, model


def expected(model: Any, prompt: list[int], tokens: int) -> list[int]:
    ids = torch.tensor([prompt])
    with torch.no_grad():
        found = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens, eos_token_id=None,
            pad_token_id=0,
        )  # fmt: skip
    following: list[int] = found[0, len(prompt) :].tolist()
    return following


@pytest.mark.parametrize("prompt", PROMPTS, ids=len)
def test_tokens_are_those_of_transformers(pair: tuple[Path, Any], prompt: list[int]) -> None:
    artifact, model = pair
    found = [*stackc.generate(artifact, prompt, tokens=28, eos=[])]
    assert found == expected(model, prompt, 28)


def test_a_text_ends_at_the_tokens_of_generation_config(pair: tuple[Path, Any]) -> None:
    artifact, model = pair
    all_tokens = expected(model, [5, 9], 40)
    (artifact / "generation_config.json").write_text(json.dumps({"eos_token_id": [all_tokens[3]]}), encoding="utf-8")
    end = all_tokens.index(all_tokens[3]) + 1
    assert [*stackc.generate(artifact, [5, 9], tokens=40)] == all_tokens[:end]


def test_texts_are_streamed_as_the_tokenizer_has_them(pair: tuple[Path, Any]) -> None:
    artifact, model = pair
    pieces = stackc.generate(artifact, "w5 w9 w44", tokens=6, eos=[])
    assert isinstance(pieces, Iterator)
    following = " ".join(WORDS[token] for token in expected(model, [5, 9, 44], 6))
    assert "".join(map(str, pieces)) == following


def test_the_command_prints_tokens_and_their_rate(pair: tuple[Path, Any], tmp_path: Path) -> None:
    artifact, model = pair
    run = CliRunner().invoke(cli, ["generate", str(artifact), "--ids", "5,9", "-n", "4", "--eos", ""])
    assert (run.exit_code, run.stdout.split()) == (0, [str(token) for token in expected(model, [5, 9], 4)])
    assert run.stderr.startswith("4 tokens, ")

    prompts = tmp_path / "prompts.txt"
    prompts.write_text("w5 w9\n\nw1\n", encoding="utf-8")
    arguments = ["generate", str(artifact), "--batch", str(prompts), "-n", "3", "--eos", "", "--json"]
    generated = json.loads(CliRunner().invoke(cli, arguments).stdout)["generated"]
    assert [each["prompt"] for each in generated] == [[5, 9], [1]]
    assert [each["tokens"] for each in generated] == [expected(model, [5, 9], 3), expected(model, [1], 3)]
    assert generated[0]["text"] == " ".join(WORDS[token] for token in generated[0]["tokens"])


def refusal(artifact: Path, prompt: str | list[int], **options: Any) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        [*stackc.generate(artifact, prompt, **options)]
    (found,) = caught.value.diagnostics
    return found


def test_error_a_prompt_that_does_not_fit(pair: tuple[Path, Any]) -> None:
    artifact, _ = pair
    too_long = refusal(artifact, [1] * 40, tokens=20)
    assert (too_long.code, too_long.hint) == ("G913", "ask for at most 8 tokens")
    assert too_long.message == "the prompt has 40 tokens and 20 are to follow, but the model takes 48"
    assert refusal(artifact, [1] * 48).hint == "shorten the prompt"
    assert refusal(artifact, []).message == "the prompt is empty: it has no token"
    assert refusal(artifact, [61]).message == "the prompt has the id 61, but the ids of the model are 0 to 60"
    assert len([*stackc.generate(artifact, [1] * 40, tokens=8, eos=[])]) == 8


def test_a_character_of_several_tokens_is_shown_once_it_is_whole() -> None:
    """With a token for each byte: what is streamed is the text."""
    letters = {letter: id for id, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(letters, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    ids = tokenizer.encode("a 模é!").ids
    assert len(ids) == 8
    assert [*TextTokenizer(tokenizer).pieces(ids)] == ["a", " ", "模", "é", "!"]


def test_error_no_tokenizer(pair: tuple[Path, Any], tmp_path: Path) -> None:
    artifact, _ = pair
    tokenizer = artifact / "tokenizer.json"
    text = tokenizer.read_text(encoding="utf-8")
    try:
        tokenizer.write_text("{}", encoding="utf-8")
        assert refusal(artifact, "w1").code == "G912"
    finally:
        tokenizer.write_text(text, encoding="utf-8")


def test_error_an_artifact_without_a_step(tmp_path: Path) -> None:
    spec = tmp_path / "plain.yaml"
    spec.write_text("stackc: 1\nname: plain\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> tanh\n", encoding="utf-8")
    folder = build(spec, Options(out=tmp_path, verify=False)).folder
    found = refusal(folder, [1])
    assert (found.code, found.message) == ("G911", f"{folder} has no decoding step")


def test_a_seed_gives_the_same_tokens(pair: tuple[Path, Any]) -> None:
    artifact, _ = pair
    first, again, other = (
        [*stackc.generate(artifact, [5], tokens=12, temperature=2.0, seed=seed, eos=[])] for seed in (1, 1, 2)
    )
    assert first == again != other
