// Where the layers of a network stand when it is drawn as a graph, from top to bottom.
import dagre from '@dagrejs/dagre';

export interface Box {
  id: string;
  width: number;
  height: number;
}

export interface Placed extends Box {
  /** The upper left corner. */
  x: number;
  y: number;
}

export interface Link {
  from: string;
  to: string;
  path: string;
}

export interface Layout {
  nodes: Placed[];
  links: Link[];
  width: number;
  height: number;
}

const MARGIN = 14;
const APART = 22; // between boxes side by side
const BETWEEN = 30; // between ranks
const SIMPLE = 300; // layers, from which on a quicker ranking is used

/**
 * The layout of a network. Edges to boxes that are not there, loops and repeats are left out; boxes
 * that no edge touches stand in rows below.
 */
export function layout(boxes: readonly Box[], edges: readonly (readonly [string, string])[]): Layout {
  const known = new Set(boxes.map((box) => box.id));
  const links = new Map<string, readonly [string, string]>();
  for (const edge of edges)
    if (edge[0] !== edge[1] && known.has(edge[0]) && known.has(edge[1])) links.set(JSON.stringify(edge), edge);
  const touched = new Set([...links.values()].flat());
  const drawn = arranged(
    boxes.filter((box) => touched.has(box.id)),
    [...links.values()],
  );
  return withRows(drawn, boxes.filter((box) => !touched.has(box.id)));
}

function arranged(boxes: readonly Box[], edges: readonly (readonly [string, string])[]): Layout {
  if (boxes.length === 0) return { nodes: [], links: [], width: 0, height: 0 };
  const graph = new dagre.graphlib.Graph();
  const ranker = boxes.length > SIMPLE ? 'longest-path' : 'network-simplex';
  graph.setGraph({ rankdir: 'TB', nodesep: APART, ranksep: BETWEEN, marginx: MARGIN, marginy: MARGIN, ranker });
  graph.setDefaultEdgeLabel(() => ({}));
  // names come from a training script: the library, which keeps them in objects, only sees numbers
  const number = new Map(boxes.map((box, index) => [box.id, `n${index}`]));
  const of = (id: string): string => number.get(id) ?? '';
  for (const box of boxes) graph.setNode(of(box.id), { width: box.width, height: box.height });
  for (const [from, to] of edges) graph.setEdge(of(from), of(to));
  dagre.layout(graph);
  const nodes = boxes.map((box) => {
    const { x, y } = graph.node(of(box.id)) as { x: number; y: number };
    return { ...box, x: x - box.width / 2, y: y - box.height / 2 };
  });
  const links = edges.map(([from, to]) => {
    const { points } = graph.edge(of(from), of(to)) as { points: { x: number; y: number }[] };
    return { from, to, path: smooth(points) };
  });
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { nodes, links, width, height };
}

function withRows(drawn: Layout, rest: readonly Box[]): Layout {
  if (rest.length === 0) return drawn;
  const room = Math.max(drawn.width, 640);
  let [x, y, tall] = [MARGIN, drawn.height > 0 ? drawn.height + BETWEEN : MARGIN, 0];
  let { width } = drawn;
  const placed = rest.map((box) => {
    if (x > MARGIN && x + box.width + MARGIN > room) [x, y, tall] = [MARGIN, y + tall + APART, 0];
    const node = { ...box, x, y };
    x += box.width + APART;
    tall = Math.max(tall, box.height);
    width = Math.max(width, node.x + box.width + MARGIN);
    return node;
  });
  return { nodes: [...drawn.nodes, ...placed], links: drawn.links, width, height: y + tall + MARGIN };
}

/** A curve through points: straight at the ends, round at the bends. */
function smooth(points: readonly { x: number; y: number }[]): string {
  const at = (x: number, y: number): string => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const [first] = points;
  const last = points[points.length - 1];
  if (!first || !last) return '';
  let path = `M${at(first.x, first.y)}`;
  for (let index = 1; index < points.length - 1; index++) {
    const [bend, next] = [points[index], points[index + 1]];
    if (!bend || !next) continue;
    const end = index === points.length - 2;
    path += `Q${at(bend.x, bend.y)} ${end ? at(next.x, next.y) : at((bend.x + next.x) / 2, (bend.y + next.y) / 2)}`;
  }
  return points.length === 2 ? `${path}L${at(last.x, last.y)}` : path;
}

/** The box to go to from one: `down` and `up` along the links, `left` and `right` beside it. */
export function neighbour(drawn: Layout, from: string, way: 'up' | 'down' | 'left' | 'right'): string | null {
  const here = drawn.nodes.find((node) => node.id === from);
  if (!here) return drawn.nodes[0]?.id ?? null;
  const [cx, cy] = [here.x + here.width / 2, here.y + here.height / 2];
  const linked = new Set(
    drawn.links.flatMap((link) => (way === 'down' && link.from === from ? [link.to] : way === 'up' && link.to === from ? [link.from] : [])),
  );
  let best: string | null = null;
  let distance = Infinity;
  for (const node of drawn.nodes) {
    const [dx, dy] = [node.x + node.width / 2 - cx, node.y + node.height / 2 - cy];
    const along = way === 'down' ? dy : way === 'up' ? -dy : way === 'right' ? dx : -dx;
    const aside = Math.abs(way === 'down' || way === 'up' ? dx : dy);
    if (along <= 1 || ((way === 'left' || way === 'right') && aside > here.height)) continue;
    const far = along + 2 * aside - (linked.has(node.id) ? 1e6 : 0);
    if (far < distance) [best, distance] = [node.id, far];
  }
  return best;
}

/** The end of a dotted name, which tells it apart, in at most `most` characters. */
export function shortened(name: string, most: number): string {
  return name.length <= most ? name : `…${name.slice(name.length - most + 1)}`;
}
