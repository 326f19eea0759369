"""`stackc import`: what it writes, and what it refuses, one clear message each, without writing anything."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from tests.hub.harness import change_config
from transformers import BertConfig, BertForSequenceClassification, BertModel

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.hub.importing import ImportOptions, import_from
from stackc.hub.zoo import zoo_files, zoo_text

SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 19, "type_vocab_size": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "tiny-bert"
    torch.manual_seed(0)
    BertModel(BertConfig(**SIZES)).save_pretrained(folder)
    (folder / "tokenizer.json").write_text('{"version": "1.0"}', encoding="utf-8")
    (folder / "README.md").write_text("a model card", encoding="utf-8")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the model to change."""
    shutil.copytree(saved, tmp_path / "tiny-bert")
    return tmp_path / "tiny-bert"


def refused(folder: Path, **options: Any) -> tuple[Diagnostic, ...]:
    """Return what is said to a folder that cannot be imported; nothing is written."""
    out = folder.parent / "out"
    before = sorted(folder.parent.iterdir())
    with pytest.raises(SpecError) as caught:
        import_from(folder, out, ImportOptions(**options))
    assert sorted(folder.parent.iterdir()) == before
    return caught.value.diagnostics


# -- what is written


def test_the_spec_is_that_of_the_zoo_with_the_sizes_of_the_config(folder: Path, tmp_path: Path) -> None:
    imported = import_from(folder, tmp_path / "my")
    assert imported.spec == tmp_path / "my" / "tiny-bert.yaml"
    assert sorted(path.name for path in (tmp_path / "my").iterdir()) == [
        "config.json", "tiny-bert.yaml", "tokenizer.json",
    ]  # fmt: skip
    assert (tmp_path / "my" / "config.json").read_bytes() == (folder / "config.json").read_bytes()

    written, zoo = imported.spec.read_text(encoding="utf-8").splitlines(), zoo_text("bert_base").splitlines()
    changed = [line for line in written if line not in zoo]
    assert changed == [
        "name: tiny-bert",
        "params: {vocab: 61, dim: 24, layers: 2, heads: 4, hidden: 40, positions: 19, types: 3, eps: 1e-12,",
        "  file: ../tiny-bert/model.safetensors",
    ]
    assert len(written) == len(zoo) + 1

    module = stackc.module(imported.spec)  # with the weights that it names
    assert torch.equal(
        module.get_parameter("word.weight"),
        load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"],
    )


def test_weights_are_copied_if_asked(folder: Path, tmp_path: Path) -> None:
    imported = import_from(folder, tmp_path / "my", ImportOptions(copy=True, name="mine"))
    assert imported.weights == tmp_path / "my" / "model.safetensors"
    assert "\n  file: model.safetensors\n" in imported.spec.read_text(encoding="utf-8")
    shutil.rmtree(folder)
    stackc.module(imported.spec)


def test_into_the_folder_itself(folder: Path) -> None:
    imported = import_from(folder, folder)
    assert imported.files == (folder / "tiny-bert.yaml",)
    assert "\n  file: model.safetensors\n" in imported.spec.read_text(encoding="utf-8")


def test_weights_in_several_files(folder: Path, tmp_path: Path) -> None:
    model = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="10KB")
    assert len([*folder.glob("model-*.safetensors")]) > 1
    imported = import_from(folder, tmp_path / "named")
    assert imported.weights == folder / "model.safetensors.index.json"
    stackc.module(imported.spec)
    copied = import_from(folder, tmp_path / "copied", ImportOptions(copy=True))
    shutil.rmtree(folder)
    stackc.module(copied.spec)


def test_weights_that_torch_saved(folder: Path, tmp_path: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    imported = import_from(folder, tmp_path / "my")
    assert imported.weights.name == "pytorch_model.bin"
    stackc.module(imported.spec)


def test_names_of_tensorflow_s_layer_norms(folder: Path, tmp_path: Path) -> None:
    """As the first checkpoints of BERT have them."""
    state = load_file(folder / "model.safetensors")
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, old in older.items():
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    save_file(state, folder / "model.safetensors")
    module = stackc.module(import_from(folder, tmp_path / "my").spec)
    assert torch.equal(module.get_parameter("norm.weight"), state["embeddings.LayerNorm.gamma"])


def test_the_encoder_of_a_classifier(tmp_path: Path) -> None:
    BertForSequenceClassification(BertConfig(**SIZES)).save_pretrained(tmp_path / "model")
    assert import_from(tmp_path / "model", tmp_path / "head").zoo_spec == "bert_sequence_classification"
    options = ImportOptions(architecture="BertModel")
    encoder = import_from(tmp_path / "model", tmp_path / "encoder", options)
    assert encoder.zoo_spec == "bert_base"
    stackc.module(encoder.spec)


def test_labels_are_kept(tmp_path: Path) -> None:
    config = BertConfig(**SIZES, id2label={0: "no", 1: "maybe", 2: "yes"})
    BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    imported = import_from(tmp_path / "model", tmp_path / "my")
    assert imported.params["labels"] == 3
    kept = json.loads((tmp_path / "my" / "config.json").read_text(encoding="utf-8"))
    assert kept["id2label"] == {"0": "no", "1": "maybe", "2": "yes"}


def test_a_snapshot_of_the_cache_has_the_name_of_its_repository(saved: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--google--tiny-bert.v2" / "snapshots" / "0123abc"
    shutil.copytree(saved, snapshot)
    assert import_from(snapshot, tmp_path / "my").spec.name == "tiny-bert.v2.yaml"


def test_missing_keys_have_the_defaults_of_the_config_class(folder: Path, tmp_path: Path) -> None:
    change_config(folder, "layer_norm_eps", "hidden_act", type_vocab_size=3)
    imported = import_from(folder, tmp_path / "my")
    assert (imported.params["eps"], imported.params["activation"]) == (1e-12, "gelu")


def test_pytorch_is_not_loaded_and_no_tensor_read(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stackc.weights.files.safetensors_file import SafetensorsFile\n"
        "SafetensorsFile.read = None\n"
        "from stackc.hub.importing import import_from; import_from(Path('tiny-bert'), Path('my'))\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'transformers'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["import", "tiny-bert", "-o", "my"])
    assert done.output.splitlines() == [
        "bert_base with vocab 61, dim 24, layers 2, heads 4, hidden 40, positions 19, types 3, eps 1e-12, activation "
        '"gelu", dropout 0.1, attention_dropout 0.1',
        "weights: tiny-bert/model.safetensors, 11,600 parameters",
        "beside it: config.json, tokenizer.json",
        "imported my/tiny-bert.yaml; next: stackc build my/tiny-bert.yaml",
    ]
    facts = json.loads(CliRunner().invoke(cli, ["import", "tiny-bert", "-o", "other", "--json"]).output)
    assert facts["spec"] == "other/tiny-bert.yaml"
    assert facts["params"]["dim"] == 24


def test_the_function(folder: Path, tmp_path: Path) -> None:
    imported = stackc.import_model(folder, tmp_path / "my")
    assert isinstance(imported, stackc.Imported)


# -- what is refused


def test_error_an_unknown_family(folder: Path) -> None:
    change_config(folder, architectures=["BertForSequenceClasification"])
    (diagnostic,) = refused(folder)
    assert (diagnostic.code, diagnostic.message) == (
        "H903", "no spec of the zoo implements the class BertForSequenceClasification",
    )  # fmt: skip
    assert str(diagnostic.hint).startswith(
        "did you mean 'BertForSequenceClassification'? known of bert: BertForMaskedLM, BertForQuestionAnswering, "
    )
    change_config(folder, architectures=["NetForSomething"], model_type="net")
    (diagnostic,) = refused(folder)
    assert str(diagnostic.hint).startswith("known types: albert, bart, bert, ")
    change_config(folder, "architectures", model_type="bertt")
    (diagnostic,) = refused(folder)
    assert str(diagnostic.hint).startswith("did you mean 'bert'? known types: ")
    change_config(folder, "model_type")
    (diagnostic,) = refused(folder)
    assert diagnostic.message.endswith("config.json says neither 'model_type' nor 'architectures'")


def test_error_several_classes_of_one_type(folder: Path) -> None:
    change_config(folder, "architectures")
    (diagnostic,) = refused(folder)
    assert diagnostic.code == "H903"
    assert "bert is the type of BertForMaskedLM, " in diagnostic.message
    assert diagnostic.hint == "name one of them with --architecture"


def test_error_keys_that_the_spec_does_not_express(folder: Path) -> None:
    change_config(folder, rope_scaling={"factor": 8.0}, mixture=4)
    (diagnostic,) = refused(folder)
    assert diagnostic.code == "H904"
    assert diagnostic.message == (
        f"{folder / 'config.json'} has keys that bert_base.yaml does not express: "
        'rope_scaling ({"factor": 8.0}), mixture (4)'
    )
    assert diagnostic.span is not None
    assert (
        '"rope_scaling"' in (folder / "config.json").read_text(encoding="utf-8").split("\n")[diagnostic.span.line - 1]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": "24"}, "hidden_size in config.json must be a whole number, but is the text '24'"),
        ({"hidden_size": 24.5}, "hidden_size in config.json must be a whole number, but is the number 24.5"),
        ({"hidden_size": True}, "hidden_size in config.json must be a whole number, but is true"),
        ({"hidden_size": [24]}, "hidden_size in config.json must be a whole number, but is a list"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps in config.json must be a number, but is the text 'small'"),
        ({"hidden_act": "gelu_fast"},
         "hidden_act in config.json must be one of gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish, "
         "but is the text 'gelu_fast'"),
        ({"architectures": 3}, "architectures in config.json must be text, but is the number 3"),
    ],
)  # fmt: skip
def test_error_a_value_of_another_type(changes: dict[str, Any], message: str, folder: Path) -> None:
    change_config(folder, **changes)
    (diagnostic,) = refused(folder)
    assert (diagnostic.code, diagnostic.message.replace(f"{folder}{os.sep}", "")) == ("H905", message)


def test_error_all_problems_of_a_config_at_once(folder: Path) -> None:
    change_config(folder, hidden_size="24", mixture=4, position_embedding_type="relative_key", is_decoder=True)
    assert sorted(diagnostic.code for diagnostic in refused(folder)) == ["H904", "H905", "H906", "H906"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_embedding_type": "relative_key"},
         "position_embedding_type: relative_key, but bert_base.yaml expresses position_embedding_type: absolute alone"),
        ({"is_decoder": True}, "is_decoder: true, but bert_base.yaml expresses is_decoder: false alone"),
        ({"quantization_config": {"bits": 4}},
         'quantization_config: {"bits": 4}, but bert_base.yaml expresses quantization_config: null alone'),
        ({"pruned_heads": {"0": [1]}}, 'pruned_heads: {"0": [1]}, but bert_base.yaml expresses pruned_heads: {} alone'),
    ],
)  # fmt: skip
def test_error_a_requirement_that_is_not_met(changes: dict[str, Any], message: str, folder: Path) -> None:
    change_config(folder, **changes)
    (diagnostic,) = refused(folder)
    assert (diagnostic.code, diagnostic.message) == ("H906", f"{folder / 'config.json'} has {message}")
    assert "stackc init --template bert_base" in str(diagnostic.hint)


class Code:
    """A pickle of it runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch ran",)


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def with_a_truncated_file(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])


def with_a_missing_shard(folder: Path) -> None:
    model = BertModel.from_pretrained(folder)
    without_weights(folder)
    model.save_pretrained(folder, max_shard_size="10KB")
    sorted(folder.glob("model-*.safetensors"))[1].unlink()


def with_code_in_a_pickle(folder: Path) -> None:
    without_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Code()}))


def with_code_in_an_archive(folder: Path) -> None:
    without_weights(folder)
    torch.save({"weight": Code()}, folder / "pytorch_model.bin")


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_half_a_config(folder: Path) -> None:
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(text[: len(text) // 2], encoding="utf-8")


def with_a_list_for_a_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def with_a_tensor_missing(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, folder / "model.safetensors")


def with_another_shape(folder: Path) -> None:
    change_config(folder, intermediate_size=48)


def with_heads_that_do_not_divide(folder: Path) -> None:
    change_config(folder, num_attention_heads=5)


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (without_weights, "W804", "has no weights: none of model.safetensors.index.json, model.safetensors, "),
        (with_a_truncated_file, "W804", "model.safetensors is broken or not what its name says: "),
        (with_a_missing_shard, "W804", "which is not in its folder"),
        (with_code_in_a_pickle, "W804", "it holds Python objects"),
        (with_code_in_an_archive, "W804", "it holds Python objects"),
        (without_config, "H901", "has no config.json"),
        (with_half_a_config, "H902", "is not JSON: "),
        (with_a_list_for_a_config, "H902", "it holds a list instead of keys"),
        (with_a_tensor_missing, "W801", "'encoder.1.mlp.down.weight'"),
        (with_another_shape, "W803", "has shape [48, 24] in the spec but [40, 24] in model.safetensors"),
        (with_heads_that_do_not_divide, "T202", "heads 5 does not divide dim 24"),
    ],
)
def test_error_a_folder_that_is_not_whole(
    spoil: Callable[[Path], None], code: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(folder)
    monkeypatch.chdir(folder)
    diagnostics = refused(folder)
    assert {diagnostic.code for diagnostic in diagnostics} == {code}
    assert message in diagnostics[0].message
    assert not (folder / "ran").exists()


def test_error_no_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (diagnostic,) = refused(tmp_path / "models" / "gone")
    assert (diagnostic.code, diagnostic.message) == ("H901", f"no folder at {tmp_path / 'models' / 'gone'}")
    assert "nothing is downloaded" in str(diagnostic.hint)


def test_error_the_folder_above(folder: Path) -> None:
    (diagnostic,) = refused(folder.parent)
    assert diagnostic.code == "H901"
    assert str(folder) in str(diagnostic.hint)


def test_error_files_that_are_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "tokenizer.json").write_text("mine", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        import_from(folder, tmp_path / "my")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("S012", f"{tmp_path / 'my'} already has tokenizer.json")
    assert [path.name for path in (tmp_path / "my").iterdir()] == ["tokenizer.json"]
    assert len(import_from(folder, tmp_path / "my", ImportOptions(force=True)).files) == 3


def test_error_a_place_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match="A608"):
        import_from(folder, tmp_path / "file" / "my")


def test_error_a_name_that_is_none(folder: Path) -> None:
    (diagnostic,) = refused(folder, name="con")
    assert diagnostic.code == "S008"


# -- against the original


@pytest.mark.slow
def test_check_records_what_the_original_computes(folder: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    options = ImportOptions(check=True)
    imported = import_from(
        folder, tmp_path / "my", options, lambda stage, summary: stages.append(f"{stage}: {summary}")
    )
    assert [path.name for path in imported.files] == [
        "tiny-bert.yaml", "tiny-bert.reference.npz", "config.json", "tokenizer.json",
    ]  # fmt: skip
    (compared,) = [stage for stage in stages if stage.startswith("original: ")]
    assert "the module computes the 4 recorded values of tiny-bert.reference.npz" in compared

    # every later build is held to them
    text = imported.spec.read_text(encoding="utf-8")
    imported.spec.write_text(text.replace("eps: 1e-12", "eps: 1e-3"), encoding="utf-8")
    with pytest.raises(SpecError, match="P710"):
        stackc.build(imported.spec, stackc.Options(out=tmp_path / "exported", measure=False))


@pytest.mark.slow
def test_error_the_original_computes_something_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the spec of the zoo were wrong: the original is another one."""
    monkeypatch.setattr(BertModel, "forward", doubled(BertModel.forward))
    assert {diagnostic.code for diagnostic in refused(folder, check=True)} == {"P710"}


def doubled(forward: Any) -> Any:
    def wrong(*arguments: Any, **keywords: Any) -> Any:
        outputs = forward(*arguments, **keywords)
        outputs.last_hidden_state = 2 * outputs.last_hidden_state
        return outputs

    return wrong


def test_error_an_original_that_does_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no such file")

    monkeypatch.setattr(BertModel, "from_pretrained", fail)
    (diagnostic,) = refused(folder, check=True)
    assert diagnostic.code == "H907"
    assert diagnostic.message.endswith(" cannot run BertModel: no such file")


@pytest.mark.slow
def test_without_transformers_it_is_built_and_compared_with_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackc.hub.comparing.has_transformers", lambda: False)
    imported = import_from(folder, tmp_path / "my", ImportOptions(check=True))
    assert "reference:" not in imported.spec.read_text(encoding="utf-8")


# -- the zoo


@pytest.mark.parametrize("name", zoo_files())
def test_every_spec_of_the_zoo_checks_and_its_map_fits_it(name: str) -> None:
    """Entries for parts that params switch off match nothing; those of other specs have to."""
    assert stackc.check(zoo_files()[name]).program.calls  # type: ignore[arg-type]  # a path in the repository
