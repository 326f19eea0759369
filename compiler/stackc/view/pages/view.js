// The page: draws the scene, pans and zooms it, folds and unfolds boxes, searches, and shows the facts of a node. Everything
// that comes from the spec is set as text, never as markup.

const MOST_RESULTS = 60; // rows in the list of the search
const READABLE = 0.7; // the lowest zoom at which texts are readable
const BEGIN = 0.9; // the initial zoom of a picture that is too large for the window
const MOST_BOXES = 6000; // the most boxes that "Unfold" opens and the search covers

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Return every node, from the outside in: {path, box, above, paths}; `above` has the paths to open to reach it, `paths`
 * those of all nodes that it is drawn for, its own first.
 */
function listNodes(levels) {
  const nodes = [];
  let waiting = [{ number: 0, prefix: "", above: [], copies: [""] }];
  while (waiting.length && nodes.length < MOST_BOXES) {
    const deeper = [];
    for (const { number, prefix, above, copies } of waiting) {
      for (const box of levels[number].boxes) {
        if (!box.facts && box.form !== "output") continue;
        const path = prefix + box.id;
        const paths = copies.flatMap((copy) => (box.copies ?? [box.id]).map((id) => copy + id));
        nodes.push({ path, box, above, paths });
        if (box.inside) {
          const inner = paths.flatMap((each) => box.inside.copies.map((copy) => `${each}.${copy}`));
          deeper.push({ number: box.inside.level, prefix: `${path}.${box.inside.path}`, above: [...above, path], copies: inner });
        }
      }
    }
    waiting = deeper;
  }
  return nodes;
}

function start(host) {
  const data = JSON.parse(host.querySelector("script").textContent);
  const find = (selector) => host.querySelector(selector);
  const [canvas, layer, panel, input, results] = [".canvas", ".scene", "aside", "input", ".search ol"].map(find);
  const nodes = listNodes(data.levels);
  const byPath = new Map(nodes.map((node) => [node.path, node]));
  const overlays = new Map((data.overlays ?? []).map((overlay) => [overlay.name, { ...overlay, heats: heats(overlay, nodes) }]));
  const marks = new Map(Object.entries(data.marks ?? {}));
  const open = new Set(nodes.filter(({ box, above }) => box.inside && above.length < data.depth - 1).map(({ path }) => path));
  const drawn = new Map(); // path → its element and coordinates in the scene
  let overlay = null; // what the drawing is coloured by; families if null
  let scene, selected = null, hits = new Set();
  let camera = { x: 0, y: 0, zoom: 1 };

  // -- drawing

  function caption(group, texts, lines, x, y, anchor) {
    for (const text of texts) group.append(svg("text", { class: `title ${anchor}`, x, y: (y += 17) - 4 }, text));
    for (const text of lines) group.append(svg("text", { class: `line ${anchor}`, x, y: (y += 13.5) - 3.5 }, text));
  }

  function knob(path, x, y) {
    const sign = open.has(path) ? "M-3.5 0H3.5" : "M-3.5 0H3.5M0 -3.5V3.5";
    const button = svg("g", { class: "knob", transform: `translate(${x} ${y})`, role: "button", "aria-label": open.has(path) ? "Fold" : "Unfold" });
    button.append(svg("circle", { r: 8 }), svg("path", { d: sign }));
    button.addEventListener("click", (event) => { event.stopPropagation(); toggle(path); });
    button.addEventListener("dblclick", (event) => event.stopPropagation());
    return button;
  }

  /** The class of a box on a page of differences: its kind of change, or `within` if it is closed over a change. */
  function markOf(path) {
    if (marks.has(path)) return marks.get(path);
    return !open.has(path) && [...marks.keys()].some((other) => other.startsWith(`${path}.`)) ? "within" : "";
  }

  function rect(x, y, width, height, radius) {
    return svg("rect", { x, y, width, height, rx: radius });
  }

  function boxOf({ box, path, child, x, y, width, height }) {
    const kind = child ? "frame opened" : `box ${box.form}`;
    const group = svg("g", { class: `${kind} ${box.family} ${markOf(path)}`, "data-path": path, tabindex: 0, "aria-label": box.titles.join(" ") });
    if (box.form === "port" || box.form === "merge") {
      group.append(rect(x, y, width, height, height / 2));
      group.append(svg("text", { class: `${box.form === "merge" && box.titles[0].length === 1 ? "title" : "small"} middle`, x: x + width / 2, y: y + height / 2 + 4 }, box.titles[0]));
    } else if (child) {
      group.append(rect(x, y, width, height, 10));
      caption(group, box.titles, box.lines, x + 14, y + 8, "");
      group.append(knob(path, x + width - 16, y + 16));
    } else {
      const card = box.repeat > 1 ? 4 : 0;
      const radius = box.form === "component" || box.form === "model" ? 8 : height / 2;
      if (card) group.append(rect(x + card, y, width - card, height - card, radius));
      group.append(rect(x, y + card, width - card, height - card, radius));
      caption(group, box.titles, box.lines, x + (width - card) / 2, y + card + 8, "middle");
      if (box.inside) group.append(knob(path, x + width - card, y + card));
    }
    drawn.set(path, { group, x, y, width, height });
    return group;
  }

  function arrowOf({ points: [first, ...rest], tip }) {
    const [x, y] = rest.at(-1);
    const length = Math.hypot(tip[0] - x, tip[1] - y) || 1;
    const back = [(x - tip[0]) * Math.min(1, 8 / length), (y - tip[1]) * Math.min(1, 8 / length)];
    const corners = [[tip[0] + back[0] - back[1] * 0.42, tip[1] + back[1] + back[0] * 0.42], tip, [tip[0] + back[0] + back[1] * 0.42, tip[1] + back[1] - back[0] * 0.42]];
    return [
      svg("path", { class: "arrow", d: `M${first}C${rest.join(" ")}L${[tip[0] + back[0], tip[1] + back[1]]}` }),
      svg("path", { class: "tip", d: `M${corners.join(" ")}Z` }),
    ];
  }

  function labelOf({ arrow, at: [x, y] }) {
    return svg("text", { class: "label", x, y: y + 3.3 }, arrow.label);
  }

  function draw(part, left, top) {
    const group = svg("g", { transform: `translate(${left} ${top})` });
    for (const { frame, x, y, width, height } of part.frames) {
      const element = svg("g", { class: `frame ${["block", "stack"].includes(frame.family) ? frame.family : "group"}` }, rect(x, y, width, height, 10));
      caption(element, frame.titles, [], x + 14, y + 8, "");
      group.append(element);
    }

    for (const arrow of part.arrows) group.append(...arrowOf(arrow)); // first: an opened box covers the arrows that it grew over
    for (const each of part.boxes.filter(({ child }) => child)) {
      const header = each.box.head[1] + 1.5 * PADDING;
      group.append(boxOf(each), draw(each.child, each.x + (each.width - each.child.width) / 2, each.y + header));
    }
    for (const each of part.boxes) if (!each.child) group.append(boxOf(each));
    for (const arrow of part.arrows) if (arrow.at) group.append(labelOf(arrow));
    return group;
  }

  function render() {
    scene = place(data.levels, 0, "", open);
    drawn.clear();
    layer.replaceChildren(draw(scene, 0, 0));
    heat();
    show();
  }

  /** Colour the boxes that are drawn by the overlay, the largest number among them most. */
  function heat() {
    canvas.classList.toggle("heated", overlay !== null);
    find(".legend").hidden = overlay === null;
    if (!overlay) return;

    const closed = [...drawn].filter(([path]) => !open.has(path) && overlay.heats.has(path));
    const most = Math.max(0, ...closed.map(([path]) => overlay.heats.get(path)));
    for (const [path, { group }] of closed) {
      group.classList.add("hot");
      group.style.setProperty("--heat", most ? 0.85 * (overlay.heats.get(path) / most) : 0);
    }
    const [name, least, top, note] = find(".legend").querySelectorAll("b, span, small");
    [name.textContent, least.textContent, top.textContent, note.textContent] = [overlay.name, amount(0, overlay.unit), amount(most, overlay.unit), overlay.note];
  }

  function show() {
    for (const [path, { group }] of drawn) {
      group.classList.toggle("selected", path === selected);
      group.classList.toggle("hit", hits.has(path));
    }
  }

  // -- the camera

  function move(next) {
    camera = { ...camera, ...next };
    layer.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.zoom})`);
    canvas.classList.toggle("far", camera.zoom < 0.35);
  }

  function zoomAt(x, y, factor) {
    const zoom = Math.min(4, Math.max(0.02, camera.zoom * factor));
    const scale = zoom / camera.zoom;
    move({ x: x - (x - camera.x) * scale, y: y - (y - camera.y) * scale, zoom });
  }

  /** Fit the whole scene into the window. */
  function fit() {
    const { width, height, top } = room();
    const zoom = Math.min(1.25, (width - 60) / scene.width, height / scene.height);
    move({ zoom, x: (width - scene.width * zoom) / 2, y: top + Math.max(0, (height - scene.height * zoom) / 2) });
  }

  /** Fit the whole scene if it stays readable; otherwise show its beginning, as large as its width allows. */
  function begin() {
    const { width, height, top } = room();
    const wide = (width - 60) / scene.width;
    if (Math.min(wide, height / scene.height) >= READABLE) return fit();

    const zoom = Math.min(BEGIN, Math.max(READABLE, wide));
    const first = scene.boxes.reduce((a, b) => (b.y + b.x / 1e4 < a.y + a.x / 1e4 ? b : a)); // the topmost box
    const lead = width / 2 - (first.x + first.width / 2) * zoom;
    const x = wide >= zoom ? (width - scene.width * zoom) / 2 : Math.min(30, Math.max(width - 30 - scene.width * zoom, lead));
    const tall = scene.height * zoom > height;
    move({ zoom, x, y: tall ? top : top + (height - scene.height * zoom) / 2 });
  }

  /** The part of the window below the header. */
  function room() {
    const { width, height } = canvas.getBoundingClientRect();
    const top = find("header").offsetHeight + 12;
    host.style.setProperty("--below", `${top}px`);
    return { width, top, height: height - top - 24 };
  }

  /** The middle of a box on the screen. */
  function middle(path) {
    const { group } = drawn.get(path);
    const [box, frame] = [group.querySelector("rect").getBoundingClientRect(), canvas.getBoundingClientRect()];
    return { x: box.x + box.width / 2 - frame.x, y: box.y - frame.y, width: box.width, height: box.height };
  }

  function centre(path) {
    const { width, height } = canvas.getBoundingClientRect();
    if (camera.zoom < 0.6) move({ zoom: 0.9 });
    const at = middle(path);
    const top = find("header").offsetHeight + 12;
    const [right, below] = panel.hidden ? [0, 0] : narrow() ? [0, panel.offsetHeight + 8] : [panel.offsetWidth + 16, 0];
    const [free, tall] = [width - right, height - top - below];
    move({ x: camera.x + free / 2 - at.x, y: camera.y + top + Math.max(8, (tall - at.height) / 2) - at.y });
  }

  /** Whether the panel is below the picture instead of at its right. */
  function narrow() {
    return panel.offsetWidth > host.clientWidth * 0.5;
  }

  // -- folding

  /** Fold or unfold a box; its upper edge stays at its position on the screen. */
  function toggle(path) {
    const before = middle(path);
    if (!open.delete(path)) open.add(path);
    render();
    const after = middle(path);
    move({ x: camera.x + before.x - after.x, y: camera.y + before.y - after.y });
  }

  function unfold(all) {
    open.clear();
    if (all) for (const { path, box } of nodes) if (box.inside) open.add(path);
    render();
    begin();
  }

  // -- the facts of a node

  function table(title, pairs, written) {
    if (!pairs?.length) return [];
    const rows = pairs.map(([name, value]) =>
      html("tr", { class: written && !written.includes(name) ? "default" : "" }, html("td", {}, name), html("td", {}, value)));
    return [html("h3", {}, title), html("table", {}, ...rows)];
  }

  function showFacts({ path, box }) {
    const facts = box.facts ?? {};
    const close = html("button", { class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => select(null));
    const place = facts.place ? [html("h3", {}, "Spec"), html("div", { class: "path place" }, facts.place)] : [];
    const line = facts.line ? [html("code", {}, facts.line)] : [];
    panel.replaceChildren(
      close,
      html("h2", {}, box.titles.join("\n")),
      html("div", { class: "path" }, path),
      html("span", { class: `chip ${box.family}` }, facts.op ?? box.form),
      ...(facts.costs ?? []).map((cost) => html("p", { class: "cost" }, cost)),
      ...[...overlays.values()].filter(({ name, heats }) => name !== "parameters" && heats.has(path)).map(({ name, unit, heats }) => html("p", { class: "cost" }, `${name}: ${amount(heats.get(path), unit)}`)),
      ...table("Fields", facts.fields, facts.written ?? []),
      ...table("Inputs", facts.inputs),
      ...table("Outputs", facts.outputs),
      ...table("Parameters", facts.parameters),
      ...place,
      ...line,
    );
  }

  function select(path) {
    const node = path !== null && byPath.get(path);
    selected = node ? path : null;
    panel.hidden = !node;
    if (node) showFacts(node);
    if (!data.quiet) history.replaceState(null, "", node ? `#${encodeURIComponent(path)}` : location.pathname + location.search);
    show();
  }

  /** Unfold down to a node, select it and center it. */
  function go(path) {
    const node = byPath.get(path);
    if (!node) return;
    for (const above of node.above) open.add(above);
    render();
    select(path);
    centre(path);
  }

  // -- searching

  function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = ({ path, box }) => [path, ...box.titles, box.facts?.op, box.family].join(" ").toLowerCase();
    const matches = words.length ? nodes.filter((node) => words.every((word) => text(node).includes(word))) : [];
    hits = new Set(matches.map(({ path }) => path));
    show();

    results.hidden = !words.length;
    const rows = matches.slice(0, MOST_RESULTS).map(({ path, box }) => {
      const row = html("li", { role: "option", "data-path": path }, html("span", {}, path), html("small", {}, box.facts?.op ?? box.form));
      row.addEventListener("mousedown", (event) => { event.preventDefault(); choose(row); results.hidden = true; });
      return row;
    });

    const rest = matches.length - rows.length;
    if (!matches.length) rows.push(html("li", { class: "none" }, "no matches"));
    if (rest > 0) rows.push(html("li", { class: "none" }, `${rest} more ${rest === 1 ? "match" : "matches"}`));
    results.replaceChildren(...rows);
  }

  function choose(row) {
    results.querySelector("[aria-selected]")?.removeAttribute("aria-selected");
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    go(row.dataset.path);
  }

  function step(by) {
    const rows = [...results.querySelectorAll("[data-path]")];
    const selectedRow = rows.findIndex((row) => row.hasAttribute("aria-selected"));
    if (rows.length) choose(rows[(selectedRow + by + rows.length) % rows.length]);
  }

  // -- mouse and keyboard

  const boxAt = (event) => event.target.closest?.("[data-path]")?.dataset.path ?? null;
  let drag = null;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, from: camera, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    if (!drag.moved) canvas.setPointerCapture(event.pointerId);
    drag.moved = true;
    canvas.classList.add("moving");
    move({ x: drag.from.x + dx, y: drag.from.y + dy });
  });
  const release = () => { canvas.classList.remove("moving"); setTimeout(() => { drag = null; }); };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("click", (event) => { if (!drag?.moved) select(boxAt(event)); });
  canvas.addEventListener("dblclick", (event) => {
    const path = boxAt(event);
    if (byPath.get(path)?.box.inside) toggle(path);
  });
  canvas.addEventListener("wheel", (event) => {
    if (data.scrolls && !event.ctrlKey && !event.metaKey) return; // the wheel scrolls the page
    event.preventDefault();
    const frame = canvas.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoomAt(event.clientX - frame.x, event.clientY - frame.y, Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const path = boxAt(event);
    if (path && event.key === "Enter") select(path);
    if (path && event.key === " " && byPath.get(path)?.box.inside) {
      event.preventDefault();
      toggle(path);
      drawn.get(path).group.focus();
    }
  });

  const closer = (factor) => { const { width, height } = canvas.getBoundingClientRect(); zoomAt(width / 2, height / 2, factor); };
  const actions = { unfold: () => unfold(true), fold: () => unfold(false), closer: () => closer(1.3), farther: () => closer(1 / 1.3), fit: () => fit() };
  const colours = find("select");
  colours.hidden = !overlays.size;
  colours.replaceChildren(...["family", ...overlays.keys()].map((name) => html("option", { value: name }, `by ${name}`)));
  colours.addEventListener("change", () => { overlay = overlays.get(colours.value) ?? null; render(); });
  for (const button of host.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
  input.addEventListener("input", search);
  input.addEventListener("focus", search);
  input.addEventListener("blur", () => { results.hidden = true; });
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) { event.preventDefault(); results.hidden = false; step(steps[event.key]); }
    if (event.key === "Enter") { // each Enter goes to the next match, and hides the list, which could cover it
      event.preventDefault();
      step(results.hidden || !results.querySelector("[aria-selected]") ? 1 : 0);
      results.hidden = true;
    }
    if (event.key === "Escape") { input.value = ""; search(); input.blur(); }
  });
  if (!data.quiet) document.addEventListener("keydown", (event) => {
    if (event.target === input || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { "/": () => { event.preventDefault(); input.focus(); }, "+": actions.closer, "-": actions.farther, 0: actions.fit, Escape: () => select(null) };
    keys[event.key]?.();
  });

  find("h1").textContent = data.title;
  find("header p").textContent = data.subtitle;
  render();
  begin();
  const linked = decodeURIComponent(location.hash.slice(1));
  if (!data.quiet && byPath.has(linked)) go(linked);
  return { go };
}
