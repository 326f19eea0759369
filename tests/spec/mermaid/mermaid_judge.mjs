// Parse flowcharts with Mermaid itself. In a folder with `npm install mermaid@11 jsdom@26`, node …/mermaid_judge.mjs < mermaid_corpus.json
// prints the corpus with a new answer to each `text`: its vertices, edges and subgraphs, or `refused`.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { JSDOM } = require("jsdom");
const { window } = new JSDOM("<!DOCTYPE html><body></body>");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import(pathToFileURL(require.resolve("mermaid")));
mermaid.initialize({ startOnLoad: false, logLevel: 5, maxEdges: 100000, maxTextSize: 100000000 });
console.log = console.warn = console.debug = console.info = () => {};

// Mermaid protects entity codes (#quot;) while it parses, and escapes what HTML would read: both are undone here.
const written = (text) =>
  String(text ?? "").replaceAll("ﬂ°°", "#").replaceAll("ﬂ°", "#").replaceAll("¶ß", ";")
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

async function answer(text) {
  await mermaid.parse(text);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  return {
    direction: db.getDirection(),
    vertices: [...db.getVertices().values()].map((v) => [v.id, written(v.text), v.type ?? null]),
    edges: db.getEdges().map((e) => [e.start, e.end, written(e.text), e.stroke, e.length, e.isUserDefinedId ? e.id : null]),
    subgraphs: db.getSubGraphs().map((g) => [g.id, written(g.title), [...g.nodes].sort(), g.dir ?? null]),
  };
}

const { version } = JSON.parse(readFileSync(require.resolve("mermaid/package.json"), "utf8"));
const flowcharts = [];
for (const { text } of JSON.parse(readFileSync(0, "utf8")).flowcharts) {
  const judged = await answer(text).catch((error) => ({ refused: String(error.message).split("\n")[0] }));
  flowcharts.push(JSON.stringify({ text, ...judged }));
}
process.stdout.write(`{"mermaid": "${version}", "flowcharts": [\n${flowcharts.join(",\n")}\n]}\n`);
