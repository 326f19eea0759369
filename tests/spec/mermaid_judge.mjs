// What Mermaid itself makes of flowcharts. In a folder with `npm install mermaid@11 jsdom`: node mermaid_judge.mjs < SNIPPETS.json > ANSWERS.json
// SNIPPETS.json is a list of texts; each answer has the vertices, edges and subgraphs, or the first line of the refusal.
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
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  return {
    direction: db.getDirection(),
    vertices: [...db.getVertices().values()].map((v) => [v.id, written(v.text), v.type ?? null]),
    edges: db.getEdges().map((e) => [e.start, e.end, written(e.text), e.type, e.stroke, e.length, e.isUserDefinedId ? e.id : null]),
    subgraphs: db.getSubGraphs().map((g) => [g.id, written(g.title), [...g.nodes].sort(), g.dir ?? null]),
  };
}

const answers = [];
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await answer(text).catch((error) => ({ error: String(error.message).split("\n")[0] })));
}
const { version } = JSON.parse(readFileSync(require.resolve("mermaid/package.json"), "utf8"));
process.stdout.write(JSON.stringify({ mermaid: version, answers }));
