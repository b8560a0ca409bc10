// What became of the findings and of the main metric, in one sentence.
import type { Schemas } from '../../api/client';
import { decode, plural, show } from '../../lib/numbers';

type Comparison = Schemas['Comparison'];
type Metric = Schemas['ComparedMetric'];
type Finding = Schemas['ComparedFinding'];
export type Verdict = Finding['verdict'];

export const CURVES = 8; // colours there are

/** The colour of a run: by its place in the address. */
export function colorOf(index: number): string {
  return `var(--curve-${(index % CURVES) + 1})`;
}

export function tally(findings: readonly Finding[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { gone: 0, remaining: 0, appeared: 0 };
  for (const finding of findings) counts[finding.verdict] += 1;
  return counts;
}

/** `2 of 3 findings are gone, 1 remains, none appeared`. */
export function findingsSentence(findings: readonly Finding[]): string {
  const { gone, remaining, appeared } = tally(findings);
  const before = gone + remaining;
  const came = appeared === 0 ? 'none appeared' : `${appeared} appeared`;
  if (before === 0) return appeared === 0 ? 'Nothing was found, before or after' : `The first run had no finding; ${came}`;
  const stay = remaining === 0 ? '' : `, ${remaining} ${remaining === 1 ? 'remains' : 'remain'}`;
  if (gone === 0) {
    const all = before === 1 ? 'The finding remains' : `All ${before} findings remain`;
    return `${all}, ${came}`;
  }
  if (remaining === 0) return `${before === 1 ? 'The finding is' : `All ${before} findings are`} gone, ${came}`;
  return `${gone} of ${plural(before, 'finding')} ${gone === 1 ? 'is' : 'are'} gone${stay}, ${came}`;
}

const HIGHER = /acc|auc|f1|precision|recall|iou|dice|r2|bleu|rouge|score|correct/i;
const LOWER = /loss|error|mse|mae|rmse|nll|perplexity|ppl|cer|wer|entropy/i;

/** 1 when more is better, -1 when less is, 0 when the name does not tell. */
export function direction(name: string): number {
  if (LOWER.test(name)) return -1;
  return HIGHER.test(name) ? 1 : 0;
}

/** The metric to speak of: validation before training, what is a share before a loss, epochs before steps; in both runs. */
export function mainMetric(metrics: readonly Metric[]): Metric | null {
  const weight = (metric: Metric): number =>
    (metric.phase === 'validation' ? 4 : 0) + (direction(metric.name) > 0 ? 2 : 0) + (metric.name === 'loss' ? 1 : 0) + (metric.axis === 'epoch' ? 0.5 : 0);
  const both = metrics.filter((metric) => metric.last[0] !== null && metric.last.at(-1) !== null);
  return [...both].sort((a, b) => weight(b) - weight(a))[0] ?? null;
}

export interface Change {
  name: string;
  text: string;
  /** Whether the last run is better than the first; null when that cannot be told. */
  better: boolean | null;
}

/** Whether the runs read the same loss: values of different losses say nothing beside one another. */
export function sameLoss(comparison: Pick<Comparison, 'settings'>): boolean {
  return comparison.settings.every((setting) => setting.same || !/^loss/.test(setting.name));
}

/** `validation accuracy 0.71 → 0.89`. */
export function change(metric: Metric, lossIsSame = true): Change {
  const before = decode(metric.last[0]);
  const after = decode(metric.last.at(-1));
  const way = metric.name === 'loss' && !lossIsSame ? 0 : direction(metric.name);
  let better: boolean | null = null;
  if (way !== 0 && before !== null && after !== null && before !== after) {
    if (Number.isFinite(before) && Number.isFinite(after)) better = (after - before) * way > 0;
    else if (Number.isFinite(before) !== Number.isFinite(after)) better = Number.isFinite(after);
  }
  return { name: [metric.phase, metric.name].filter(Boolean).join(' '), text: `${show(before)} → ${show(after)}`, better };
}

export type Mood = 'good' | 'mixed' | 'bad' | 'same';

/** How the last run stands against the first, for the colour of the sentence. */
export function mood(findings: readonly Finding[]): Mood {
  const { gone, remaining, appeared } = tally(findings);
  if (appeared > 0) return gone > 0 ? 'mixed' : 'bad';
  if (gone > 0) return remaining > 0 ? 'mixed' : 'good';
  return remaining > 0 ? 'bad' : 'same';
}

export interface MetricGroup {
  id: string;
  title: string;
  axis: Metric['axis'];
  phases: Metric[];
}

/** Metrics of one name, by phase, the loss first; last what is there by epoch and by step, by step. */
export function byName(metrics: readonly Metric[]): MetricGroup[] {
  const epochs = new Set(metrics.filter((metric) => metric.axis === 'epoch').map((metric) => metric.name));
  const found = new Map<string, MetricGroup>();
  for (const metric of metrics) {
    const { name, axis } = metric;
    const id = `${axis}:${name}`;
    const title = axis === 'step' && epochs.has(name) ? `${name} by step` : name;
    const group = found.get(id) ?? { id, title, axis, phases: [] };
    group.phases.push(metric);
    found.set(id, group);
  }
  const weight = ({ axis, phases: [first] }: MetricGroup): number =>
    axis === 'step' && epochs.has(first?.name ?? '') ? 2 : first?.name === 'loss' ? 0 : 1;
  return [...found.values()].sort((a, b) => weight(a) - weight(b));
}

/** Settings that differ first; the order is kept otherwise. */
export function bySameness(comparison: Pick<Comparison, 'settings'>): { differ: Schemas['ComparedSetting'][]; same: Schemas['ComparedSetting'][] } {
  return {
    differ: comparison.settings.filter((setting) => !setting.same),
    same: comparison.settings.filter((setting) => setting.same),
  };
}
