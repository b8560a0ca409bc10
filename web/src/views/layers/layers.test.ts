import { describe, expect, it } from 'vitest';
import type { Card, Schemas } from '../../api/client';
import { badge, factGroups, factOf, FACTS, inOrder, lines, nodeOf, rowPoints, shapeText } from './layers';

const layer = (name: string, more: Partial<Schemas['LayerNode']> = {}): Schemas['LayerNode'] => ({
  name, label: name, kind: 'dense', class_name: 'Linear', functional: false, shape: [null, 16, 28], parameters: 1290, trainable: 1290,
  used: true, config: {}, location: null, findings: [], ...more,
});
const card = (key: string, severity: string, more: Partial<Card> = {}) => ({ key, severity, state: 'active', mute: null, ...more }) as Card;
const heat: Schemas['HeatMap'] = {
  fact: 'gradient-norm', unit: '', segment: 0, layers: ['z', 'b', 'a'], edges: [0, 10, 20],
  cells: [[1, null], ['nan', 4], [5, 6]], findings: [[0, 0], [1, 0], [0, 2]],
};

describe('layers in words', () => {
  it('says class, shape and parameters', () => {
    expect(lines(layer('fc'))).toEqual(['Linear · 16 × 28', '1,290 parameters']);
    expect(lines(layer('0 Linear', { parameters: 0, shape: null }))).toEqual([]);
    expect(lines(layer('aux', { used: false, trainable: 0 }))).toEqual(['Linear · 16 × 28', '1,290 parameters · frozen · unused']);
    expect(shapeText([32, null, 2048])).toBe('32 × ? × 2,048');
  });

  it('counts findings that are active, and names the worst', () => {
    const cards = new Map([card('a', 'warning'), card('b', 'critical', { state: 'gone' }), card('c', 'info')].map((one) => [one.key, one]));
    expect(badge(['a', 'b', 'c', 'unknown'], cards)).toEqual({ severity: 'warning', count: 2 });
    expect(badge(['b'], cards)).toBeNull();
    expect(nodeOf(layer('fc', { findings: ['a'] }), cards).spoken).toBe('fc, Linear · 16 × 28, 1,290 parameters, 1 finding, warning');
  });
});

describe('the heat map', () => {
  const sheet = inOrder(heat, [layer('a'), layer('b', { label: 'b Linear' })]);

  it('stands in the order of the network, what is unknown last', () => {
    expect(sheet.rows).toEqual([{ id: 'a', label: 'a' }, { id: 'b', label: 'b Linear' }, { id: 'z', label: 'z' }]);
    expect(sheet.cells).toEqual([[5, 6], ['nan', 4], [1, null]]);
    expect(sheet.findings[0]).toEqual([0, 2]);
  });

  it('gives a row as points, without what was not observed', () => {
    expect(rowPoints(sheet, 'z')).toEqual({ x: [0], y: [1] });
    expect(rowPoints(sheet, 'b')).toEqual({ x: [0, 10], y: [NaN, 4] });
    expect(rowPoints(sheet, 'gone')).toEqual({ x: [], y: [] });
  });

  it('knows its facts', () => {
    expect(factOf('activation-zeros').range).toEqual([0, 1]);
    expect(factOf('price').id).toBe('gradient-norm');
    expect(new Set(FACTS.map((fact) => fact.id)).size).toBe(8);
  });
});

it('groups facts by what they are of, the layer first', () => {
  expect(factGroups({ 'gradient-norm of fc.weight': 1, 'activation-mean': 2, 'weight-norm of fc.weight': 'nan' })).toEqual([
    { of: '', facts: [{ name: 'activation mean', value: 2 }] },
    { of: 'fc.weight', facts: [{ name: 'gradient norm', value: 1 }, { name: 'weight norm', value: 'nan' }] },
  ]);
});
