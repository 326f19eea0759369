// Overlays: numbers of components by which the drawing is coloured, added up for what a box stands for.

const COMBINED = { sum: (a, b) => a + b, max: Math.max };

/** Return the number of every node that is drawn for components with numbers, by its path. */
function heats(overlay, nodes) {
  const combined = COMBINED[overlay.combine];
  const add = (map, path, value) => map.set(path, map.has(path) ? combined(map.get(path), value) : value);
  const inside = new Map(); // every path above a component, and its own
  for (const [path, value] of Object.entries(overlay.values)) {
    for (let end = path.indexOf("."); end >= 0; end = path.indexOf(".", end + 1)) add(inside, path.slice(0, end), value);
    add(inside, path, value);
  }

  const result = new Map();
  for (const { path, paths } of nodes) for (const each of paths) if (inside.has(each)) add(result, path, inside.get(each));
  return result;
}

/** Return a number with three digits and its unit: `1.23 M`, `4.56 ms`. */
function amount(value, unit) {
  if (unit) return `${Number(value.toPrecision(3))} ${unit}`;
  const power = Math.max(0, Math.min(5, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${["", "k", "M", "G", "T", "P"][power]}`.trim();
}
