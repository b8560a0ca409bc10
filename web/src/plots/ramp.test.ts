import { describe, expect, it } from 'vitest';
import { colors, columnAt, css, mix, scaleOf, tickColumns } from './ramp';

describe('the scale', () => {
  it('covers what is finite', () => {
    const scale = scaleOf([[1, 'nan', null], ['inf', 3, 2]]);
    expect([scale.low, scale.high, scale.kind, scale.share(2)]).toEqual([1, 3, 'sequential', 0.5]);
  });

  it('is even around zero for signed values', () => {
    const scale = scaleOf([[-1, 4]]);
    expect([scale.kind, scale.low, scale.high, scale.share(0), scale.share(-4)]).toEqual(['diverging', -4, 4, 0.5, 0]);
  });

  it('is logarithmic over eight decades at most, with zero at the lowest colour', () => {
    const scale = scaleOf([[0, 1e-30, 1, 100]], { log: true });
    expect(scale.log).toBe(true);
    expect(scale.low).toBeCloseTo(1e-6, 12);
    expect([scale.share(0), scale.share(1e-30), scale.share(100)]).toEqual([0, 0, 1]);
    expect(scale.share(1e-2)).toBeCloseTo(0.5);
  });

  it('takes a fixed range, one value and nothing', () => {
    expect(scaleOf([[0.2]], { range: [0, 1], log: true }).share(0.2)).toBe(0.2);
    expect(scaleOf([[5, 5]]).share(5)).toBe(0.5);
    expect(scaleOf([[5, 5]], { log: true }).share(6)).toBe(0.5);
    expect(scaleOf([]).high).toBe(1);
    expect(scaleOf([[-1, 0]], { log: true }).log).toBe(false);
  });
});

describe('the colours', () => {
  const brightness = ([r, g, b]: readonly [number, number, number]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

  it('grow lighter with the value, so that they are told apart without hue', () => {
    const stops = colors('sequential', false);
    const steps = Array.from({ length: 50 }, (_, index) => brightness(mix(stops, index / 49)));
    expect(steps.every((value, index) => index === 0 || value > (steps[index - 1] ?? 0))).toBe(true);
  });

  it('mix between stops and stay within the ends', () => {
    expect(mix([[0, 0, 0], [10, 20, 30]], 0.5)).toEqual([5, 10, 15]);
    expect(mix([[0, 0, 0], [10, 20, 30]], 7)).toEqual([10, 20, 30]);
    expect(css(mix(colors('sequential', false), 0))).toBe('rgb(0 34 78)');
  });
});

describe('columns', () => {
  it('finds the one that holds a step', () => {
    const edges = [0, 10, 15, 100];
    expect([-5, 0, 9, 10, 14, 15, 99, 500].map((step) => columnAt(edges, step))).toEqual([0, 0, 0, 1, 1, 2, 2, 2]);
    expect(columnAt([], 3)).toBe(-1);
  });

  it('writes steps that do not touch', () => {
    expect(tickColumns(10, 200)).toEqual([0, 4, 9]); // the last one always
    expect(tickColumns(3, 600)).toEqual([0, 1, 2]);
    expect(tickColumns(0, 600)).toEqual([]);
  });
});
