"use strict";
// Coordinates after boxes are opened. Each level is laid out with all of its boxes closed. An opened box stretches both
// axes of its level at its position: nothing else needs a new layout, and nothing can overlap.

const PADDING = 14;

/** Return a map of one axis on which each interval of `intervals` ({from, to, room}) is `room` wide; the rest moves along. */
function stretched(intervals) {
  const stretches = [];
  const at = (value) => stretches.reduce((sum, { from, to, by }) => sum + by * Math.min(1, Math.max(0, (value - from) / (to - from))), value);
  for (const { from, to, room } of intervals) {
    const by = room - (at(to) - at(from));
    if (by > 0) stretches.push({ from, to, by });
  }
  return at;
}

/** Return the scene of a level: boxes, frames and arrows with coordinates; `child` is the scene inside an opened box. */
function place(levels, number, prefix, open) {
  const level = levels[number];
  const children = new Map();
  for (const box of level.boxes) {
    const path = prefix + box.id;
    if (box.inside && open.has(path)) children.set(box, place(levels, box.inside.level, `${path}.${box.inside.path}`, open));
  }

  const opened = [...children];
  const x = stretched(opened.map(([box, child]) => ({ from: box.x, to: box.x + box.width, room: Math.max(child.width, box.head[0] + 28) + 2 * PADDING })));
  const y = stretched(opened.map(([box, child]) => ({ from: box.y, to: box.y + box.height, room: child.height + box.head[1] + 2.5 * PADDING })));
  const mapped = (rect) => ({ x: x(rect.x), y: y(rect.y), width: x(rect.x + rect.width) - x(rect.x), height: y(rect.y + rect.height) - y(rect.y) });

  const boxes = level.boxes.map((box) => {
    const room = mapped(box);
    const child = children.get(box);
    const at = child ? room : { x: room.x + (room.width - box.width) / 2, y: room.y + (room.height - box.height) / 2, width: box.width, height: box.height };
    return { box, path: prefix + box.id, child, ...at };
  });

  const byId = new Map(boxes.map((each) => [each.box.id, each]));
  return {
    boxes,
    frames: level.frames.map((frame) => ({ frame, ...mapped(frame) })),
    arrows: level.arrows.map((arrow) => bent(arrow, byId, x, y)),
    width: x(level.width),
    height: y(level.height),
  };
}

/** Return the curve of an arrow after its ends have moved: stretched like the axes, then bent towards its new ends. */
function bent(arrow, byId, x, y) {
  const offset = ([px, py], { box, child, ...at }) =>
    child ? [0, 0] : [at.x + (px - box.x) - x(px), at.y + (py - box.y) - y(py)];
  const start = offset(arrow.points[0], byId.get(arrow.source));
  const end = offset(arrow.tip, byId.get(arrow.target));

  const moved = ([px, py], t) => [0, 1].map((axis) => [x(px), y(py)][axis] + start[axis] * (1 - t) + end[axis] * t);
  const last = arrow.points.length - 1;
  const points = arrow.points.map((point, i) => moved(point, i / last));
  return { arrow, points, tip: moved(arrow.tip, 1), at: arrow.at && beside(arrow.at, arrow.points, points) };
}

/** Return the position of a label after its arrow has moved: at the same offset from the nearest point of the curve. */
function beside([x, y], before, after) {
  const between = ([ax, ay], [bx, by], share) => [ax + (bx - ax) * share, ay + (by - ay) * share];
  let nearest = { distance: Infinity };

  for (let i = 0; i + 1 < before.length; i++) {
    const [[ax, ay], [bx, by]] = [before[i], before[i + 1]];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const share = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    const [px, py] = between(before[i], before[i + 1], share);
    const distance = Math.hypot(x - px, y - py);
    if (distance < nearest.distance) nearest = { distance, offset: [x - px, y - py], to: between(after[i], after[i + 1], share) };
  }

  return [nearest.to[0] + nearest.offset[0], nearest.to[1] + nearest.offset[1]];
}
