// Python source as lines of coloured tokens.
import { highlightTree, tagHighlighter, tags } from '@lezer/highlight';
import { parser } from '@lezer/python';

export interface Token {
  text: string;
  kind: string; // a class name, "" for plain text
  marked?: boolean;
}

const STYLE = tagHighlighter([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.definitionKeyword, tags.moduleKeyword, tags.self], class: 'keyword' },
  { tag: [tags.string, tags.special(tags.string)], class: 'string' },
  { tag: [tags.number, tags.bool, tags.null], class: 'number' },
  { tag: tags.comment, class: 'comment' },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName)), tags.definition(tags.className), tags.className, tags.function(tags.propertyName)], class: 'name' },
]);

/** Lines of tokens; text that is not Python is only split. */
export function highlight(text: string, python = true): Token[][] {
  const lines: Token[][] = [[]];
  const put = (piece: string, kind: string): void => {
    piece.split('\n').forEach((line, index) => {
      if (index > 0) lines.push([]);
      const end = line.replace(/\r$/, '');
      if (end) lines[lines.length - 1]?.push({ text: end, kind });
    });
  };
  let done = 0;
  if (python)
    highlightTree(parser.parse(text), STYLE, (from, to, kind) => {
      if (from > done) put(text.slice(done, from), '');
      put(text.slice(from, to), kind);
      done = to;
    });
  if (done < text.length) put(text.slice(done), '');
  return lines;
}

/** The tokens with those between two columns marked; columns count from 1, the second is excluded. */
export function mark(tokens: readonly Token[], from: number, to: number): Token[] {
  const made: Token[] = [];
  let column = 1;
  for (const token of tokens) {
    const characters = [...token.text];
    const cut = (start: number, end: number, marked: boolean): void => {
      const text = characters.slice(Math.max(0, start - column), Math.max(0, end - column)).join('');
      if (text) made.push(marked || token.marked ? { text, kind: token.kind, marked: true } : { text, kind: token.kind });
    };
    const end = column + characters.length;
    cut(column, Math.min(from, end), false);
    cut(Math.max(from, column), Math.min(to, end), true);
    cut(Math.max(to, column), end, false);
    column = end;
  }
  return made;
}
