"use strict";
// Where everything is once some boxes are opened. Each level has been laid out with all of its boxes closed. A box that is
// opened stretches both axes of its level where it stands: nothing else has to be laid out again, nothing can overlap.

const PADDING = 14;

/** A map of one axis: each of `needs` ({from, to, room}) gets its room, what is behind moves on. */
function stretched(needs) {
  const grown = [];
  const at = (value) => grown.reduce((sum, { from, to, by }) => sum + by * Math.min(1, Math.max(0, (value - from) / (to - from))), value);
  for (const { from, to, room } of needs) {
    const by = room - (at(to) - at(from));
    if (by > 0) grown.push({ from, to, by });
  }
  return at;
}

/** The scene of a level: boxes, frames and arrows with their places; `child` is the scene inside an opened box. */
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
  const placed = new Map(boxes.map((each) => [each.box.id, each]));
  return {
    boxes,
    frames: level.frames.map((frame) => ({ frame, ...mapped(frame) })),
    arrows: level.arrows.map((arrow) => bent(arrow, placed, x, y)),
    width: x(level.width),
    height: y(level.height),
  };
}

/** The way of an arrow after its ends have moved: stretched as the axes are, and drawn to where the ends are now. */
function bent(arrow, placed, x, y) {
  const off = ([px, py], { box, child, ...at }) =>
    child ? [0, 0] : [at.x + (px - box.x) - x(px), at.y + (py - box.y) - y(py)];
  const start = off(arrow.points[0], placed.get(arrow.source));
  const end = off(arrow.tip, placed.get(arrow.target));
  const moved = ([px, py], t) => [0, 1].map((axis) => [x(px), y(py)][axis] + start[axis] * (1 - t) + end[axis] * t);
  const last = arrow.points.length - 1;
  const points = arrow.points.map((point, i) => moved(point, i / last));
  return { arrow, points, tip: moved(arrow.tip, 1), at: arrow.at && beside(arrow.at, arrow.points, points) };
}

/** Where a label goes as the arrow beside it moves: as far from the nearest point of it as before. */
function beside([x, y], before, after) {
  const between = ([ax, ay], [bx, by], share) => [ax + (bx - ax) * share, ay + (by - ay) * share];
  let nearest = { distance: Infinity };
  for (let i = 0; i + 1 < before.length; i++) {
    const [[ax, ay], [bx, by]] = [before[i], before[i + 1]];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const share = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    const [px, py] = between(before[i], before[i + 1], share);
    const distance = Math.hypot(x - px, y - py);
    if (distance < nearest.distance) nearest = { distance, off: [x - px, y - py], to: between(after[i], after[i + 1], share) };
  }
  return [nearest.to[0] + nearest.off[0], nearest.to[1] + nearest.off[1]];
}
