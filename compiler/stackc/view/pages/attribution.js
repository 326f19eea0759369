// Draws what tables cannot: maps of pixels, waveforms, and attention by layer and head.
const tone = (name) => {
  const hex = getComputedStyle(document.body).getPropertyValue(name).trim().slice(1);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
};
const tones = { for: tone("--for"), against: tone("--against") };
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
const heatColour = (value, most) => [...tones[value < 0 ? "against" : "for"], Math.round(255 * Math.abs(value) / most)];

/** A canvas with one pixel for each value, enlarged; `colour` gives red, green, blue and opacity. */
function pixels(canvas, width, values, colour, least = 220) {
  const height = Math.max(1, Math.ceil(values.length / width));
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.forEach((value, at) => image.data.set(colour(value), 4 * at));
  canvas.getContext("2d").putImageData(image, 0, 0);
  const scale = Math.max(1, Math.floor(least / Math.max(width, height)));
  canvas.style.width = `${width * scale}px`;
  return canvas;
}

function drawMap(host, { width, x, heat }) {
  const low = Math.min(...x), span = Math.max(...x) - low || 1, most = largest(heat);
  const grey = (value) => { const shade = Math.round(255 * (value - low) / span); return [shade, shade, shade, 255]; };
  for (const [values, colour, label] of [[x, grey, "input"], [heat, (value) => heatColour(value, most), "attribution"]]) {
    const canvas = pixels(document.createElement("canvas"), width, values, colour);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    host.append(canvas);
  }
}

function drawWaves(host, { waves }) {
  const most = largest(waves.flatMap(({ heat }) => heat));
  for (const { x, heat } of waves) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [1160, 120];
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "waveform, with attributions behind it");
    const context = canvas.getContext("2d"), step = canvas.width / x.length, high = largest(x);
    heat.forEach((value, at) => {
      const [red, green, blue, opacity] = heatColour(value, most);
      context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${opacity / 255})`;
      context.fillRect(at * step, 0, Math.ceil(step), canvas.height);
    });
    context.strokeStyle = getComputedStyle(document.body).getPropertyValue("--ink");
    context.beginPath();
    x.forEach((value, at) => context.lineTo((at + 0.5) * step, canvas.height * (0.5 - 0.48 * value / high)));
    context.stroke();
    host.append(canvas);
  }
}

function showAttention(host) {
  const { layers, words } = JSON.parse(host.dataset.attention);
  const [example, layer, head] = ["example", "layer", "head"].map((name) => host.querySelector(`[name=${name}]`));
  const canvas = host.querySelector("canvas"), output = host.querySelector("output"), ink = tone("--for");
  const all = layers.map(({ bytes }) => Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0)));
  const fill = (select, labels) => {
    const before = select.value;
    select.replaceChildren(...labels.map((label, at) => new Option(label, at)));
    if (before && Number(before) < labels.length) select.value = before;
  };
  const wordOf = (size, at) => {
    const fitting = words.find((rows) => rows[example.value]?.length === size);
    return fitting ? fitting[example.value][at] : String(at);
  };
  let shown;

  const draw = () => {
    const [examples, heads, queries, keys] = layers[layer.value].shape;
    fill(example, [...Array(examples).keys()]);
    fill(head, [...Array(heads).keys()]);
    const start = (example.value * heads + Number(head.value)) * queries * keys;
    shown = { queries, keys, values: all[layer.value].subarray(start, start + queries * keys) };
    pixels(canvas, keys, shown.values, (value) => [...ink, value], 520);
    const [wholeQueries, wholeKeys] = layers[layer.value].whole;
    const cut = wholeQueries > queries || wholeKeys > keys;
    output.textContent = cut ? `the first ${queries} of ${wholeQueries} queries, ${keys} of ${wholeKeys} keys` : "";
  };
  fill(layer, layers.map(({ path }) => path));
  for (const select of [example, layer, head]) select.addEventListener("change", draw);
  canvas.addEventListener("mousemove", ({ offsetX, offsetY }) => {
    const key = Math.floor(offsetX / canvas.clientWidth * shown.keys);
    const query = Math.floor(offsetY / canvas.clientHeight * shown.queries);
    if (query < 0 || key < 0 || query >= shown.queries || key >= shown.keys) return;
    const share = (shown.values[query * shown.keys + key] / 255).toFixed(2);
    output.textContent = `${wordOf(shown.queries, query)} → ${wordOf(shown.keys, key)}: ${share}`;
  });
  draw();
}

for (const host of document.querySelectorAll("[data-drawing]")) {
  const drawing = JSON.parse(host.dataset.drawing);
  (drawing.waves ? drawWaves : drawMap)(host, drawing);
}
for (const host of document.querySelectorAll("[data-attention]")) showAttention(host);
