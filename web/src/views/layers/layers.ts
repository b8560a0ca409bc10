// The layers of a network in words, and heat maps in the order of the network.
import type { Card, Schemas } from '../../api/client';
import { count, decode, type Num, plural, show } from '../../lib/numbers';
import { SEVERITIES, type Severity, severityOf } from '../../lib/severity';
import type { Node } from '../../plots/Graph.svelte';

type Layer = Schemas['LayerNode'];
type HeatMap = Schemas['HeatMap'];

export interface HeatFact {
  id: HeatMap['fact'];
  name: string;
  /** Norms and ratios span decades. */
  log: boolean;
  range?: [number, number];
  about: string;
}

const SHARE: [number, number] = [0, 1];

export const FACTS: readonly HeatFact[] = [
  { id: 'gradient-norm', name: 'gradient norm', log: true, about: 'How large the gradient of the layer is: it should neither vanish nor explode from layer to layer.' },
  { id: 'update-ratio', name: 'update / weight', log: true, about: 'How large an update is beside the weights: about 0.001 is usual.' },
  { id: 'weight-norm', name: 'weight norm', log: true, about: 'How large the weights are.' },
  { id: 'activation-mean', name: 'activation mean', log: false, about: 'The mean of what the layer puts out.' },
  { id: 'activation-std', name: 'spread', log: true, about: 'The standard deviation of what the layer puts out.' },
  { id: 'activation-zeros', name: 'zeros', log: false, range: SHARE, about: 'The share of outputs that are exactly zero: near 100 % the layer is dead.' },
  { id: 'activation-saturated', name: 'saturation', log: false, range: SHARE, about: 'The share of outputs where the activation is flat: no gradient comes through.' },
  { id: 'activation-nonfinite', name: 'not finite', log: false, about: 'How many outputs are NaN or infinite.' },
];

export function factOf(id: string | null): HeatFact {
  return FACTS.find((fact) => fact.id === id) ?? (FACTS[0] as HeatFact);
}

/** `16 × 28 × 28`; what is not known, such as the batch, is left out at the front. */
export function shapeText(shape: Layer['shape']): string {
  if (!shape) return '';
  const sizes = shape[0] === null ? shape.slice(1) : shape;
  return sizes.map((size) => (size === null ? '?' : count(size))).join(' × ');
}

/** The layer in a few words. */
export function lines(layer: Layer): string[] {
  const first = [layer.label.includes(layer.class_name) ? '' : layer.class_name, shapeText(layer.shape)].filter(Boolean).join(' · ');
  const frozen = layer.parameters > 0 && layer.trainable === 0 ? ' · frozen' : '';
  const second = layer.parameters > 0 ? `${plural(layer.parameters, 'parameter')}${frozen}` : '';
  return [first, layer.used ? second : [second, 'unused'].filter(Boolean).join(' · ')].filter(Boolean);
}

/** The worst of some findings, and how many there are. */
export function badge(keys: readonly string[], cards: ReadonlyMap<string, Card>): { severity: Severity; count: number } | null {
  const known = keys.flatMap((key) => cards.get(key) ?? []).filter((card) => card.state === 'active' && card.mute === null);
  const severities = known.map((card) => severityOf(card.severity));
  const worst = SEVERITIES.find((severity) => severities.includes(severity));
  return worst ? { severity: worst, count: known.length } : null;
}

export function nodeOf(layer: Layer, cards: ReadonlyMap<string, Card>): Node {
  const found = badge(layer.findings, cards);
  const said = lines(layer);
  return {
    id: layer.name,
    title: layer.label,
    lines: said,
    spoken: [layer.label, ...said, found ? `${plural(found.count, 'finding')}, ${found.severity}` : ''].filter(Boolean).join(', '),
    unused: !layer.used,
    plain: layer.parameters === 0,
    badge: found,
  };
}

export interface Sheet {
  rows: { id: string; label: string }[];
  edges: number[];
  cells: (Num | null)[][];
  findings: number[][];
}

/** The heat map with its rows as the network has them, and their labels; unknown layers come last. */
export function inOrder(heat: HeatMap, layers: readonly Layer[]): Sheet {
  const place = new Map(layers.map((layer, index) => [layer.name, index]));
  const at = heat.layers.map((name, index) => ({ name, index, rank: place.get(name) ?? Infinity }));
  at.sort((a, b) => (a.rank === b.rank ? a.index - b.index : a.rank - b.rank));
  return {
    rows: at.map(({ name, rank }) => ({ id: name, label: layers[rank]?.label ?? name })),
    edges: heat.edges,
    cells: at.map(({ index }) => heat.cells[index] ?? []),
    findings: at.map(({ index }) => heat.findings[index] ?? []),
  };
}

/** A row of the heat map as points: where each stretch begins, and its mean. */
export function rowPoints(sheet: Sheet, layer: string): { x: number[]; y: (number | null)[] } {
  const row = sheet.rows.findIndex((one) => one.id === layer);
  const found = (sheet.cells[row] ?? []).map((cell, column) => [sheet.edges[column] ?? 0, decode(cell)] as const);
  const seen = found.filter(([, value]) => value !== null);
  return { x: seen.map(([step]) => step), y: seen.map(([, value]) => value) };
}

/** Shares in percent, as the heat map has them. */
const SHARES = ['activation zeros', 'activation saturated'];
export function factValue(name: string, value: Num): string {
  return show(value, SHARES.includes(name) ? 'fraction' : name.endsWith(' nonfinite') ? 'values' : '');
}

/** `gradient-norm of fc.weight` grouped by what it is of; the layer itself comes first. */
export function factGroups(facts: Readonly<Record<string, Num>>): { of: string; facts: { name: string; value: Num }[] }[] {
  const groups = new Map<string, { name: string; value: Num }[]>();
  for (const [text, value] of Object.entries(facts)) {
    const [name = text, ...rest] = text.split(' of ');
    const of = rest.join(' of ');
    groups.set(of, [...(groups.get(of) ?? []), { name: name.replace(/-/g, ' '), value }]);
  }
  return [...groups].map(([of, found]) => ({ of, facts: found })).sort((a, b) => Number(a.of !== '') - Number(b.of !== ''));
}
