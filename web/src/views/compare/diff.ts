// A unified difference, read into lines with their numbers.

export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  /** Line numbers in the old and in the new file. */
  before: number | null;
  after: number | null;
  text: string;
}

export interface Hunk {
  /** What stands behind the second `@@`, such as the function. */
  place: string;
  from: number;
  lines: DiffLine[];
}

export interface Diff {
  hunks: Hunk[];
  added: number;
  removed: number;
  /** What was sent instead of a difference, such as that a file is too large. */
  message: string;
}

const HEAD = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/;

export function parseDiff(text: string): Diff {
  const diff: Diff = { hunks: [], added: 0, removed: 0, message: '' };
  let hunk: Hunk | undefined;
  let before = 0;
  let after = 0;
  for (const line of text.split('\n')) {
    const head = HEAD.exec(line);
    if (head) {
      before = Number(head[1]);
      after = Number(head[2]);
      hunk = { place: head[3] ?? '', from: after, lines: [] };
      diff.hunks.push(hunk);
    } else if (!hunk) {
      // the names of the files, or a sentence
      if (line && !line.startsWith('--- ') && !line.startsWith('+++ ')) diff.message = line;
    } else if (line.startsWith('+')) {
      hunk.lines.push({ kind: 'added', before: null, after: after++, text: line.slice(1) });
      diff.added += 1;
    } else if (line.startsWith('-')) {
      hunk.lines.push({ kind: 'removed', before: before++, after: null, text: line.slice(1) });
      diff.removed += 1;
    } else if (line.startsWith(' ') || line === '') {
      hunk.lines.push({ kind: 'same', before: before++, after: after++, text: line.slice(1) });
    } // else "\ No newline at end of file"
  }
  // a difference that ends in a newline has no empty line behind it
  const last = diff.hunks.at(-1);
  if (text.endsWith('\n') && last?.lines.at(-1)?.text === '' && last.lines.at(-1)?.kind === 'same') last.lines.pop();
  return diff;
}
