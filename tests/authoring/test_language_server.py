"""The schema in an editor: the YAML language server, which editors use, completes, explains and marks specs with it.

`.ci/run` installs the server; without it, these tests are skipped with a message.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stackc.authoring.schema import schema

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: classifier
params: {dim: 64}
inputs:
  x: {shape: [batch, dim]}
graph: |
  x --> up[linear] --> y[layer_norm]
nodes:
  up: {op: linear, out: 4*dim}
  y: {op: layer_norm, eps: 1e-6}
"""


class Server:
    """A running server, driven over its standard streams, with the schema for every .yaml file."""

    def __init__(self, command: list[str], schema: Path) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.count, self.settings = 0, {"yaml": {
            "schemas": {schema.as_uri(): ["*.yaml"]}, "completion": True, "hover": True, "validate": True,
            "schemaStore": {"enable": False},
        }}  # fmt: skip
        abilities = {"workspace": {"configuration": True}, "textDocument": {"publishDiagnostics": {}}}
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": abilities})
        self.send({"method": "initialized", "params": {}})
        self.send({"method": "workspace/didChangeConfiguration", "params": {"settings": self.settings}})

    def send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Return the next message; answer requests of the server, such as those for settings, on the way."""
        assert self.process.stdout is not None
        while True:
            length = 0
            while (line := self.process.stdout.readline().strip()) or not length:
                assert line, "the server has ended"
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            message: dict[str, Any] = json.loads(self.process.stdout.read(length))

            if message.get("method") == "workspace/configuration":
                wanted = [self.settings.get(item["section"], {}) for item in message["params"]["items"]]
                self.send({"id": message["id"], "result": wanted})
            elif "id" in message and "method" in message:
                self.send({"id": message["id"], "result": None})
            else:
                return message

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        self.count += 1
        self.send({"id": self.count, "method": method, "params": params})
        while (answer := self.receive()).get("id") != self.count:
            continue
        return answer["result"]

    def open(self, text: str) -> tuple[str, list[dict[str, Any]]]:
        """Open a document with that text; return its name and the diagnostics in it."""
        self.count += 1
        uri = f"file:///{self.count}.yaml"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while True:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return uri, message["params"]["diagnostics"]

    def request_at(self, method: str, text: str, mark: str) -> Any:
        """Return the answer of the server at the position of `mark`, which is removed from the text."""
        before, _, after = text.partition(mark)
        uri, _ = self.open(before + after)
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": position})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, node = os.environ.get("STACKC_LANGUAGE_SERVER"), shutil.which("node")
    program = Path(folder or ".") / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not folder or not node:
        pytest.skip("needs node, and STACKC_LANGUAGE_SERVER with the folder of npm's yaml-language-server")
    path = tmp_path_factory.mktemp("schema") / "stackc.schema.json"
    path.write_text(json.dumps(schema()), encoding="utf-8")
    running = Server([node, str(program), "--stdio"], path)
    yield running
    running.process.kill()
    running.process.wait()
    for stream in (running.process.stdin, running.process.stdout):
        assert stream is not None
        stream.close()


def test_a_valid_spec_has_no_red_lines(server: Server) -> None:
    assert server.open(SPEC)[1] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("params:", "parms:"),
        ("out: 4*dim", "uot: 4*dim"),
        ("out: 4*dim", "out: -1"),
        ("eps: 1e-6", "eps: [1]"),
        ("stackc: 1\n", "stackc: 2\n"),
        ("shape: [batch, dim]", "shape: [batch, dim], dtype: float"),
    ],
)
def test_a_mistake_has_a_red_line(server: Server, right: str, wrong: str) -> None:
    text = SPEC.replace(right, wrong)
    marks = server.open(text)[1]
    line = next(number for number, text in enumerate(text.splitlines()) if wrong.strip() in text)
    assert {mark["range"]["start"]["line"] for mark in marks} == {line}


def test_completion_of_keys_ops_and_fields(server: Server) -> None:
    keys = {item["label"] for item in server.request_at("completion", SPEC + "§\n", "§")["items"]}
    assert {"blocks", "outputs", "weights", "dims"} <= keys
    ops = {
        item["label"] for item in server.request_at("completion", SPEC.replace("op: layer_norm", "op: §"), "§")["items"]
    }
    assert {"linear", "attention", "stack", "torch"} <= ops
    bare = SPEC.replace("  up: {op: linear, out: 4*dim}", "  up:\n    op: linear\n    §")
    fields = {item["label"] for item in server.request_at("completion", bare, "§")["items"]}
    assert {"out", "bias"} <= fields


@pytest.mark.parametrize(
    ("mark", "meaning"),
    [
        ("e§ps: 1e-6", "Added to the variance before the root."),
        ("op: lay§er_norm", "y = (x − mean(x)) / √(var(x)"),
        ("gra§ph: |", "The drawing: nodes and arrows as in a Mermaid flowchart."),
    ],
)
def test_hover_shows_the_meaning(server: Server, mark: str, meaning: str) -> None:
    assert meaning in server.request_at("hover", SPEC.replace(mark.replace("§", ""), mark), "§")["contents"]["value"]
