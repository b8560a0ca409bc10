// Series of a run grouped to plots, and points as the plots want them.
import type { Schemas } from '../../api/client';
import { decode } from '../../lib/numbers';
import type { Line } from '../../plots/lines';
import type { Axis } from './axis';
import { smooth } from './smooth';

export type SeriesInfo = Schemas['SeriesInfo'];
type SeriesPoints = Schemas['SeriesPoints'];

/** One plot. */
export interface Group {
  /** Stable: stands in the address. */
  id: string;
  title: string;
  unit: string;
  series: { info: SeriesInfo; label: string }[];
}

/** Points of one series. */
export interface Curve {
  steps: number[];
  values: (number | null)[];
  low: (number | null)[] | null;
  high: (number | null)[] | null;
  thinned: boolean;
  position: number;
}

/**
 * The plots of a segment: each metric in both phases, the loss by step, the learning rate. What a
 * program logs itself is a metric, and "by step" where there is a metric of that name by epoch.
 */
export function groups(all: readonly SeriesInfo[], segment: number): Group[] {
  const made = new Map<string, Group>();
  const rank = new Map<string, number>(); // the lowest rank that has it; others say nearly the same
  for (const info of all) {
    if (info.segment !== segment) continue;
    const same = `${info.fact} ${info.name} ${info.phase}`;
    rank.set(same, Math.min(rank.get(same) ?? Infinity, info.rank));
  }
  const metrics = new Set(all.filter((info) => info.segment === segment && info.fact === 'metric').map((info) => info.name));
  for (const info of all) {
    if (info.segment !== segment || rank.get(`${info.fact} ${info.name} ${info.phase}`) !== info.rank) continue;
    const [id, title] = naming(info, metrics);
    const group = made.get(id) ?? { id, title, unit: info.unit, series: [] };
    const apart = info.fact !== 'metric' && info.fact !== 'log' && info.name !== '';
    const label = info.fact === 'learning-rate' ? `group ${info.name}` : apart ? `${info.phase} ${info.name}` : info.phase;
    group.series.push({ info, label });
    made.set(id, group);
  }
  const bySteps = ({ series: [first] }: Group): boolean => first?.info.fact === 'log' && metrics.has(first.info.name);
  const weight = (group: Group): number => {
    if (group.id === 'learning-rate') return 3;
    if (group.id === 'loss' || bySteps(group)) return 2;
    return group.title === 'loss' ? 0 : 1;
  };
  for (const group of made.values()) {
    group.series.sort((a, b) => phase(a.info) - phase(b.info));
    const only = group.id === 'learning-rate' && group.series.length === 1 ? group.series[0] : undefined;
    if (only) only.label = 'learning rate';
  }
  return [...made.values()].sort((a, b) => weight(a) - weight(b));
}

const phase = (info: SeriesInfo): number => (info.phase === 'train' ? 0 : info.phase === 'validation' ? 1 : 2);

function naming(info: SeriesInfo, metrics: ReadonlySet<string>): [string, string] {
  if (info.fact === 'metric') return [`metric:${info.name}`, info.name];
  if (info.fact === 'log') return [`log:${info.name}`, metrics.has(info.name) ? `${info.name} by step` : info.name];
  if (info.fact === 'loss') return ['loss', 'loss by step'];
  if (info.fact === 'learning-rate') return ['learning-rate', 'learning rate'];
  return [`${info.fact}:${info.name}`, info.name ? `${info.fact} of ${info.name}` : info.fact];
}

/** What the server sent, with numbers for "nan" and "inf". */
export function curveOf(points: SeriesPoints): Curve {
  const bound = (values: SeriesPoints['low']): (number | null)[] | null =>
    values ? values.map((value) => finite(decode(value))) : null;
  return {
    steps: points.steps,
    values: points.values.map((value) => decode(value)),
    low: bound(points.low),
    high: bound(points.high),
    thinned: points.thinned,
    position: points.position,
  };
}

const finite = (value: number | null): number | null => (value !== null && Number.isNaN(value) ? null : value);

/** A curve with what came after it; null when they do not follow and all must be read again. */
export function extended(old: Curve, rest: Curve): Curve | null {
  if (!rest.steps.length) return { ...old, position: Math.max(old.position, rest.position) };
  if ((rest.steps[0] ?? 0) <= (old.steps[old.steps.length - 1] ?? -Infinity)) return null;
  const join = (a: (number | null)[] | null, b: (number | null)[] | null): (number | null)[] | null =>
    a || b ? [...(a ?? old.values), ...(b ?? rest.values)] : null;
  return {
    steps: [...old.steps, ...rest.steps],
    values: [...old.values, ...rest.values],
    low: join(old.low, rest.low),
    high: join(old.high, rest.high),
    thinned: old.thinned || rest.thinned,
    position: rest.position,
  };
}

const COLORS = ['var(--curve-1)', 'var(--curve-2)', 'var(--curve-3)', 'var(--curve-4)', 'var(--curve-5)', 'var(--curve-6)', 'var(--curve-7)', 'var(--curve-8)'];

/** The lines of a plot: train solid, validation dashed in another colour. */
export function linesOf(group: Group, curve: (key: string) => Curve | undefined, axis: Axis, weight: number): Line[] {
  const plain = group.series.length <= 2;
  return group.series.map(({ info, label }, index) => {
    const points = curve(info.key);
    const validation = info.phase === 'validation';
    const shown = points ? smooth(points.values, weight) : [];
    const line: Line = {
      id: info.key,
      label,
      color: COLORS[plain ? (validation ? 1 : index % 8) : index % 8] ?? 'var(--curve-8)',
      x: points ? points.steps.map((step) => place(info, step, axis)) : [],
      y: shown,
      low: weight > 0 ? null : (points?.low ?? null),
      high: weight > 0 ? null : (points?.high ?? null),
    };
    if (validation) line.dash = [7, 4];
    if (weight > 0 && points) line.raw = points.values;
    return line;
  });
}

/** Where a point lies. A metric is by epoch; while only steps are known it has no place but the end. */
export function place(info: Pick<SeriesInfo, 'axis'>, step: number, axis: Axis): number {
  if (info.axis === 'step') return axis.at(step);
  return axis.kind === 'epoch' ? step : axis.domain[1];
}
