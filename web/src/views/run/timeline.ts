// Where findings lie on the timeline, by row or stacked.
import type { Card } from '../../api/client';
import { type Severity, severityOf, SEVERITIES } from '../../lib/severity';
import type { Axis } from './axis';
import { count, decode } from '../../lib/numbers';
import { factText } from './evidence';

export interface Bar {
  key: string;
  severity: Severity;
  from: number; // x
  to: number;
  /** 0 is nearest to the axis; only when stacked. */
  level: number;
}

export interface Row {
  card: Card;
  bars: Bar[];
}

/** Epochs in which a finding was seen, first and last of each stretch. */
export function spansOf(card: Card): [number, number][] {
  if (card.spans.length) return card.spans.map(([from, to]) => [Math.min(from, to), Math.max(from, to)]);
  const { first, last } = card;
  if (first.epoch === null) return [];
  return [[first.epoch, Math.max(first.epoch, last.epoch ?? first.epoch)]];
}

/** Whether a finding was there before training. */
export const before = (card: Card): boolean => card.first.epoch === null;

/** Whether a finding was seen in an epoch. */
export function seenIn(card: Card, epoch: number): boolean {
  return spansOf(card).some(([from, to]) => from <= epoch && epoch <= to);
}

/** Stretches of x in which a finding was seen. */
export function stretches(card: Card, axis: Axis): [number, number][] {
  if (axis.kind === 'epoch') return spansOf(card).map(([from, to]) => [from - 0.5, to + 0.5]);
  if (card.first.step === null) return [];
  return [[card.first.step - 0.5, (card.last.step ?? card.first.step) + 0.5]];
}

/** A row a finding, in the order given. */
export function rows(cards: readonly Card[], axis: Axis): Row[] {
  return cards
    .filter((card) => !before(card) || spansOf(card).length > 0)
    .map((card) => ({
      card,
      bars: stretches(card, axis).map(([from, to]) => ({
        key: card.key, severity: severityOf(card.severity), from, to, level: 0,
      })),
    }));
}

/** All findings on top of each other, the worst nearest to the axis, as in Umlaut. */
export function stacked(cards: readonly Card[], axis: Axis): { bars: Bar[]; levels: number } {
  const single = rows(cards, axis).flatMap((row) => row.bars);
  const weight = (bar: Bar): number => SEVERITIES.indexOf(bar.severity);
  const place = new Map(cards.map((card, index) => [card.key, index]));
  single.sort((a, b) => weight(a) - weight(b) || (place.get(a.key) ?? 0) - (place.get(b.key) ?? 0));
  const edges = [...new Set(single.flatMap((bar) => [bar.from, bar.to]))].sort((a, b) => a - b);
  const bars: Bar[] = [];
  const open = new Map<string, Bar>(); // the bar that a stretch on the same level extends
  let levels = 0;
  for (let i = 0; i + 1 < edges.length; i++) {
    const from = edges[i] ?? 0;
    const to = edges[i + 1] ?? 0;
    const here = single.filter((bar) => bar.from <= from && bar.to >= to);
    levels = Math.max(levels, here.length);
    here.forEach((bar, level) => {
      const name = `${bar.key} ${level}`;
      const previous = open.get(name);
      if (previous && previous.to === from) previous.to = to;
      else {
        const made = { ...bar, from, to, level };
        bars.push(made);
        open.set(name, made);
      }
    });
  }
  return { bars, levels };
}

export interface Told {
  card: Card;
  /** What was measured, such as `input std`. */
  fact: string;
  value: number | null;
  unit: string;
}

/** The findings at an epoch, or at a step where there are no epochs, with what was measured then. */
export function toldAt(cards: readonly Card[], at: number, by: Axis['kind'] = 'epoch'): Told[] {
  const seen = by === 'epoch' ? seenIn : seenAtStep;
  return cards
    .filter((card) => seen(card, at))
    .map((card) => {
      let value: number | null = null;
      for (const point of card.history) {
        const when = point[by];
        if (when !== null && when <= at && point.value !== null) value = decode(point.value);
      }
      const evidence = card.evidence[0];
      const fact = evidence ? factText(evidence.fact, evidence.name) : '';
      return { card, fact, value: value ?? decode(evidence?.value), unit: evidence?.unit ?? '' };
    });
}

function seenAtStep(card: Card, step: number): boolean {
  const { first, last } = card;
  return first.step !== null && first.step <= step && step <= (last.step ?? first.step);
}

/** `0–3, 7`, or `before`; steps where there are no epochs. */
export function epochsShort(card: Card, by: Axis['kind'] = 'epoch'): string {
  if (by === 'step' && card.first.step !== null) return `step ${stepsOf(card)}`;
  const spans = spansOf(card);
  if (!spans.length) return 'before';
  const [first, second] = spans.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  return `${first}${spans.length > 2 ? ', …' : second ? `, ${second}` : ''}`;
}

/** `epochs 0–3, 7`. */
export function epochsText(card: Card, by: Axis['kind'] = 'epoch'): string {
  if (by === 'step' && card.first.step !== null) {
    const steps = stepsOf(card);
    return `${steps.includes('–') ? 'steps' : 'step'} ${steps}`;
  }
  const spans = spansOf(card);
  if (!spans.length) return 'before training';
  const shown = spans.slice(0, 3).map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  const one = spans.length === 1 && spans[0]?.[0] === spans[0]?.[1];
  return `${one ? 'epoch' : 'epochs'} ${shown.join(', ')}${spans.length > 3 ? ` and ${spans.length - 3} more` : ''}`;
}

function stepsOf(card: Card): string {
  const { first, last } = card;
  const from = first.step ?? 0;
  return last.step !== null && last.step > from ? `${count(from)}–${count(last.step)}` : count(from);
}
