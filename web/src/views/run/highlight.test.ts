import { describe, expect, it } from 'vitest';
import { highlight, mark } from './highlight';

const joined = (text: string): string => highlight(text).map((line) => line.map((token) => token.text).join('')).join('\n');

describe('highlighting', () => {
  it('colours and loses nothing', () => {
    const text = 'import torch\n\ndef f(x):  # why\n    return "a\u202eb" + str(1)\n';
    expect(joined(text)).toBe(text);
    expect(highlight(text)[0]?.[0]).toEqual({ text: 'import', kind: 'keyword' });
    expect(highlight(text)[2]?.some((token) => token.kind === 'comment')).toBe(true);
  });
  it('splits strings over lines and drops carriage returns', () => {
    expect(highlight('a = """x\r\ny"""').map((line) => line.length > 0)).toEqual([true, true]);
    expect(joined('a\r\nb')).toBe('a\nb');
  });
  it('takes broken code and other files as they are', () => {
    expect(joined('def (((\n')).toBe('def (((\n');
    expect(highlight('key: def', false)).toEqual([[{ text: 'key: def', kind: '' }]]);
  });
});

describe('marking columns', () => {
  const tokens = [{ text: 'ab', kind: 'x' }, { text: 'cdé😀f', kind: '' }];
  it('cuts tokens', () => {
    expect(mark(tokens, 2, 4)).toEqual([
      { text: 'a', kind: 'x' }, { text: 'b', kind: 'x', marked: true }, { text: 'c', kind: '', marked: true }, { text: 'dé😀f', kind: '' },
    ]);
  });
  it('goes to the end of the line and counts characters', () => {
    expect(mark(tokens, 6, Infinity).filter((token) => token.marked).map((token) => token.text)).toEqual(['😀f']);
  });
});
