import { describe, expect, it } from 'vitest';
import type { Card } from '../../api/client';
import { axisOf } from './axis';
import { curveOf, extended, groups, linesOf, type SeriesInfo } from './curves';
import { type Filter, listed, ordered, walk } from './filter';
import { smooth } from './smooth';
import { chosen, zoomText } from './state';
import { epochsText, rows, seenIn, spansOf, stacked, toldAt } from './timeline';

const card = (key: string, more: Partial<Card> = {}): Card =>
  ({
    key, id: key, check: 'dead-units', cause: 'activation', kind: 'causal', severity: 'error', state: 'active', rank: 1,
    explained_by: [], segment: 0, ranks: [0], title: key, message: '', confidence: 'measured', confirmation: null, where: {},
    layer: null, parameter: null, location: null, first: { step: 0, epoch: 0 }, last: { step: 9, epoch: 0 }, count: 1,
    spans: [], history: [], evidence: [], fixes: [], links: {}, mute: null, revision: 1, ...more,
  }) as Card;
const mute = { id: 'm', scope: 'run' as const, reason: '', time: 0 };
const all: Filter = { severities: [], kind: '', cause: '', layer: '', text: '', epoch: null };
const marks = [0, 1, 2].map((epoch) => ({ segment: 0, epoch, step: epoch * 10 + 9, time: 0 }));
const axis = axisOf(marks, 0, { step: 29, epoch: 2 });

describe('smoothing', () => {
  it('begins at the first value, not at zero', () => {
    expect(smooth([4, 4, 4], 0.9)).toEqual([4, 4, 4].map((value) => expect.closeTo(value, 12)));
  });
  it('is the corrected average', () => {
    // (0.5 · 0.5 · 1 + 0.5 · 3) / (1 − 0.25)
    expect(smooth([1, 3], 0.5)[1]).toBeCloseTo(7 / 3, 12);
  });
  it('leaves what is not finite where it is', () => {
    expect(smooth([1, NaN, null, Infinity, 1], 0.5)).toEqual([1, NaN, null, Infinity, 1]);
    expect(smooth([1, 2], 0)).toEqual([1, 2]);
  });
});

describe('the axis', () => {
  it('spreads the steps of an epoch around its number', () => {
    expect(axis.kind).toBe('epoch');
    expect(axis.domain).toEqual([-0.5, 2.5]);
    expect(axis.at(-0.5)).toBeCloseTo(-0.5);
    expect(axis.at(9.5)).toBeCloseTo(0.5);
    expect(axis.at(14.5)).toBeCloseTo(1);
    expect(axis.step(axis.at(17))).toBe(17);
  });
  it('goes on into the epoch under way', () => {
    const running = axisOf(marks, 0, { step: 34, epoch: 3 });
    expect(running.domain[1]).toBe(3.5);
    expect(running.at(34.5)).toBeCloseTo(3);
  });
  it('bridges epochs that were thinned away', () => {
    const thin = axisOf([marks[0], { segment: 0, epoch: 100, step: 1009, time: 0 }].filter((mark) => mark !== undefined), 0, { step: null, epoch: null });
    expect(thin.at(509.5)).toBeCloseTo(50.5);
  });
  it('knows where a later segment began', () => {
    const later = axisOf([0, 1].map((epoch) => ({ segment: 1, epoch, step: 109 + epoch * 10, time: 0 })), 1, { step: null, epoch: null });
    expect(later.at(99.5)).toBeCloseTo(-0.5);
  });
  it('begins where the steps began, however long the epochs are', () => {
    const uneven = [154, 155, 156].map((step, epoch) => ({ segment: 0, epoch, step, time: 0 }));
    const at = (first: number | null) => axisOf(uneven, 0, { step: 156, epoch: 2, first });
    expect(at(0).at(-0.5)).toBeCloseTo(-0.5);
    expect(at(20).at(-0.5)).toBeCloseTo(-0.5);
    expect(at(140).at(139.5)).toBeCloseTo(-0.5);
    expect(at(null).at(153.5)).toBeCloseTo(-0.5);
  });
  it('counts steps until an epoch is over', () => {
    const first = axisOf([], 0, { step: 40, epoch: 0 });
    expect([first.kind, first.domain, first.at(7)]).toEqual(['step', [0, 40], 7]);
  });
});

describe('the timeline', () => {
  const a = card('a', { severity: 'warning', spans: [[0, 1]] });
  const b = card('b', { severity: 'critical', spans: [[1, 2]] });
  const c = card('c', { first: { step: null, epoch: null }, last: { step: null, epoch: null } });
  it('has a row a finding, none before training', () => {
    expect(rows([a, b, c], axis).map((row) => [row.card.key, row.bars.map((bar) => [bar.from, bar.to])])).toEqual([
      ['a', [[-0.5, 1.5]]], ['b', [[0.5, 2.5]]],
    ]);
  });
  it('stacks, the worst at the bottom', () => {
    const { bars, levels } = stacked([a, b, c], axis);
    expect(levels).toBe(2);
    expect(bars.map((bar) => [bar.key, bar.from, bar.to, bar.level])).toEqual([
      ['a', -0.5, 0.5, 0], ['b', 0.5, 2.5, 0], ['a', 0.5, 1.5, 1],
    ]);
  });
  it('falls back to first and last', () => {
    expect(spansOf(card('x', { first: { step: 1, epoch: 2 }, last: { step: 5, epoch: 4 } }))).toEqual([[2, 4]]);
    expect(seenIn(a, 2)).toBe(false);
  });
  it('tells the value of that epoch', () => {
    const measured = card('m', {
      spans: [[0, 5]],
      history: [{ epoch: 0, step: 1, value: 1 }, { epoch: 3, step: 9, value: 'inf' }],
      evidence: [{ fact: 'f', name: '', value: 7, limit: 0, unit: 'x', step: 0 }],
    });
    expect(toldAt([measured, c], 2).map((told) => [told.value, told.unit])).toEqual([[1, 'x']]);
    expect(toldAt([measured], 4)[0]?.value).toBe(Infinity);
    expect(toldAt([{ ...measured, history: [] }], 4)[0]?.value).toBe(7);
  });
  it('names epochs', () => {
    expect([epochsText(a), epochsText(c), epochsText(card('y', { spans: [[3, 3]] }))]).toEqual(['epochs 0–1', 'before training', 'epoch 3']);
    expect(epochsText(card('z', { spans: [[0, 0], [2, 3], [5, 5], [7, 9]] }))).toBe('epochs 0, 2–3, 5 and 1 more');
  });
});

describe('the list of cards', () => {
  it('keeps the order and puts what is gone last', () => {
    const cards = new Map([card('a', { state: 'gone' }), card('b'), card('c')].map((one) => [one.key, one]));
    expect(ordered(cards, ['a', 'c', 'lost', 'b']).map((one) => one.key)).toEqual(['c', 'b', 'a']);
  });
  it('folds what another explains under the first cause', () => {
    const list = listed([card('a'), card('b', { explained_by: ['a'] }), card('c', { explained_by: ['b'] })], all);
    expect(walk(list)).toEqual(['a', 'b', 'c']);
    expect(list.folded.get('a')?.map((one) => one.key)).toEqual(['b', 'c']);
  });
  it('survives findings that explain each other', () => {
    const list = listed([card('a', { explained_by: ['b'] }), card('b', { explained_by: ['a'] })], all);
    expect(walk(list).length).toBeGreaterThan(0);
  });
  it('shows one whose cause is filtered away', () => {
    const list = listed([card('a'), card('b', { explained_by: ['a'], severity: 'info' })], { ...all, severities: ['info'] });
    expect(list.shown.map((one) => one.key)).toEqual(['b']);
    expect(list.hidden).toBe(1);
  });
  it('keeps muted ones apart', () => {
    const list = listed([card('a', { mute }), card('b', { explained_by: ['a'] })], all);
    expect([list.shown.map((one) => one.key), list.muted.map((one) => one.key)]).toEqual([['b'], ['a']]);
  });
  it('searches all words, and by epoch, layer, cause and kind', () => {
    const cards = [
      card('a', { message: 'ReLU is dead', layer: 'fc1', spans: [[0, 1]] }),
      card('b', { kind: 'symptom', cause: 'data', layer: 'fc2', spans: [[2, 2]] }),
    ];
    const keys = (filter: Partial<Filter>): string[] => listed(cards, { ...all, ...filter }).shown.map((one) => one.key);
    expect(keys({ text: 'dead relu' })).toEqual(['a']);
    expect(keys({ epoch: 2 })).toEqual(['b']);
    expect(keys({ layer: 'fc1' })).toEqual(['a']);
    expect(keys({ cause: 'data' })).toEqual(['b']);
    expect(keys({ kind: 'symptom', text: 'relu' })).toEqual([]);
  });
});

describe('the address', () => {
  it('reads what makes sense and drops the rest', () => {
    const read = chosen(new URLSearchParams('finding=0:a&epoch=3&line=x&smooth=2&zoom=e-0.5~2&severity=error&severity=info&log=1'));
    expect(read).toMatchObject({
      finding: '0:a', epoch: 3, line: null, smooth: 0, zoom: { kind: 'epoch', range: [-0.5, 2] }, severities: ['error', 'info'], log: true,
    });
    expect(chosen(new URLSearchParams('zoom=e3~1')).zoom).toBeNull();
  });
  it('writes a zoom that it reads', () => {
    expect(zoomText('epoch', [0.123456, 4])).toBe('e0.1235~4');
    expect(chosen(new URLSearchParams(`zoom=${zoomText('step', [10, 20]) ?? ''}`)).zoom).toEqual({ kind: 'step', range: [10, 20] });
  });
});

describe('curves', () => {
  const info = (fact: string, name: string, phase: string, more: Partial<SeriesInfo> = {}): SeriesInfo => ({
    key: `${fact}${name}${phase}${more.rank ?? 0}`, fact, name, phase, segment: 0, rank: 0, points: 3, unit: '', axis: fact === 'metric' ? 'epoch' : 'step', ...more,
  });
  it('puts both phases of a metric in one plot, the loss first', () => {
    const made = groups(
      [info('loss', '', 'train'), info('metric', 'accuracy', 'validation'), info('metric', 'accuracy', 'train'), info('metric', 'loss', 'train'), info('metric', 'loss', 'train', { rank: 1 }), info('metric', 'loss', 'train', { segment: 1 })],
      0,
    );
    expect(made.map((group) => [group.id, group.series.map((one) => one.label)])).toEqual([
      ['metric:loss', ['train']], ['metric:accuracy', ['train', 'validation']], ['loss', ['train']],
    ]);
  });
  it('shows what a program logs as metrics, and by step where they are known by epoch', () => {
    const logged = [info('log', 'lr', 'train'), info('log', 'loss', 'train'), info('log', 'loss', 'validation')];
    const said = (all: SeriesInfo[]) => groups(all, 0).map((group) => [group.id, group.title, group.series.map((one) => one.label)]);
    expect(said(logged)).toEqual([['log:loss', 'loss', ['train', 'validation']], ['log:lr', 'lr', ['train']]]);
    expect(said([...logged, info('metric', 'loss', 'validation'), info('metric', 'acc', 'train')])).toEqual([
      ['metric:loss', 'loss', ['validation']], ['log:lr', 'lr', ['train']], ['metric:acc', 'acc', ['train']],
      ['log:loss', 'loss by step', ['train', 'validation']],
    ]);
    expect(groups([...logged, info('metric', 'loss', 'train', { segment: 1 })], 0)[0]?.title).toBe('loss');
  });
  it('reads numbers that are not finite and draws no band there', () => {
    const curve = curveOf({ key: 'k', steps: [0, 1], values: ['nan', '-inf'], low: ['nan', 1], high: [2, 'inf'], thinned: true, position: 2 });
    expect(curve.values).toEqual([NaN, -Infinity]);
    expect([curve.low, curve.high]).toEqual([[null, 1], [2, Infinity]]);
  });
  it('goes on where it ended, or says that it cannot', () => {
    const old = { steps: [0, 1], values: [1, 2], low: null, high: null, thinned: false, position: 2 };
    const rest = { steps: [2, 3], values: [3, 4], low: [2.5, 3.5], high: [3, 4], thinned: true, position: 9 };
    expect(extended(old, rest)).toEqual({ steps: [0, 1, 2, 3], values: [1, 2, 3, 4], low: [1, 2, 2.5, 3.5], high: [1, 2, 3, 4], thinned: true, position: 9 });
    expect(extended(old, { ...rest, steps: [1, 2] })).toBeNull();
    expect(extended(old, { ...rest, steps: [], values: [], position: 2 })?.steps).toEqual([0, 1]);
  });
  it('dashes validation and keeps the raw curve under the smoothed one', () => {
    const group = groups([info('metric', 'loss', 'train'), info('metric', 'loss', 'validation')], 0)[0];
    const lines = group ? linesOf(group, () => ({ steps: [0, 1], values: [0, 2], low: null, high: null, thinned: false, position: 2 }), axis, 0.5) : [];
    expect(lines.map((line) => line.dash?.length ?? 0)).toEqual([0, 2]);
    expect(lines[0]?.raw).toEqual([0, 2]);
    expect(lines[0]?.color).not.toBe(lines[1]?.color);
  });
});
