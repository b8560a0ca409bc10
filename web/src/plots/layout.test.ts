import { describe, expect, it } from 'vitest';
import { type Box, layout, type Layout, neighbour, shortened } from './layout';

const box = (id: string): Box => ({ id, width: 120, height: 40 });
const inside = (drawn: Layout) =>
  drawn.nodes.every((node) => node.x >= 0 && node.y >= 0 && node.x + node.width <= drawn.width + 0.1 && node.y + node.height <= drawn.height + 0.1);
const apart = (drawn: Layout) =>
  drawn.nodes.every((a, index) =>
    drawn.nodes.slice(index + 1).every((b) => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y),
  );
const at = (drawn: Layout, id: string) => drawn.nodes.find((node) => node.id === id);

describe('the layout', () => {
  const branch = layout(['a', 'b', 'c', 'd'].map(box), [['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd']]);

  it('stands from top to bottom within its bounds, no box over another', () => {
    expect(inside(branch) && apart(branch)).toBe(true);
    expect(at(branch, 'a')?.y).toBeLessThan(at(branch, 'b')?.y ?? 0);
    expect(at(branch, 'b')?.y).toBe(at(branch, 'c')?.y);
    expect(at(branch, 'c')?.y).toBeLessThan(at(branch, 'd')?.y ?? 0);
    expect(branch.links).toHaveLength(4);
    expect(branch.links.every((link) => /^M[\d.]+ [\d.]+[QL]/.test(link.path))).toBe(true);
  });

  it('leaves out edges to nowhere, loops and repeats', () => {
    const drawn = layout(['a', 'b'].map(box), [['a', 'b'], ['a', 'b'], ['a', 'a'], ['b', 'gone']]);
    expect(drawn.links.map((link) => [link.from, link.to])).toEqual([['a', 'b']]);
  });

  it('puts what no edge touches in rows below', () => {
    const drawn = layout(['a', 'b', ...'cdefghijk'].map(box), [['a', 'b']]);
    expect(drawn.nodes).toHaveLength(11);
    expect(inside(drawn) && apart(drawn)).toBe(true);
    expect(at(drawn, 'c')?.y).toBeGreaterThan(at(drawn, 'b')?.y ?? 0);
    expect(drawn.width).toBeLessThan(800);
  });

  it('takes a loop over several layers, names like those of objects, and nothing', () => {
    expect(inside(layout(['a', 'b', 'c'].map(box), [['a', 'b'], ['b', 'c'], ['c', 'a']]))).toBe(true);
    expect(layout(['__proto__', 'constructor'].map(box), [['__proto__', 'constructor']]).nodes).toHaveLength(2);
    expect(layout([], [])).toEqual({ nodes: [], links: [], width: 0, height: 0 });
  });

  it('lays out 500 layers soon', () => {
    const names = Array.from({ length: 500 }, (_, index) => `layer.${index}`);
    const edges = names.slice(1).map((name, index) => [names[index] ?? '', name] as const);
    const skips = names.slice(5).map((name, index) => [names[index] ?? '', name] as const).filter((_, index) => index % 5 === 0);
    const drawn = layout(names.map(box), [...edges, ...skips]);
    expect(inside(drawn)).toBe(true);
  });

  it('is walked by arrow keys', () => {
    expect(neighbour(branch, 'a', 'up')).toBeNull();
    expect(['b', 'c']).toContain(neighbour(branch, 'a', 'down'));
    expect(neighbour(branch, 'd', 'up')).not.toBe('a');
    const [left, right] = (at(branch, 'b')?.x ?? 0) < (at(branch, 'c')?.x ?? 0) ? ['b', 'c'] : ['c', 'b'];
    expect(neighbour(branch, left, 'right')).toBe(right);
    expect(neighbour(branch, right, 'left')).toBe(left);
    expect(neighbour(branch, 'gone', 'down')).toBe('a');
  });
});

it('keeps the end of a long name', () => {
  expect(shortened('encoder.layer.4.attention', 12)).toBe('…4.attention');
  expect(shortened('fc1', 12)).toBe('fc1');
});
