// The theory of a check as paragraphs and lists.

export interface Block {
  list: boolean;
  items: string[]; // one for a paragraph
}

/** Paragraphs and lists of a page written in a little Markdown; emphasis marks are dropped. */
export function blocks(text: string): Block[] {
  const made: Block[] = [];
  for (const part of text.split(/\n\s*\n/)) {
    const lines = part.split('\n').map((line) => line.trim()).filter(Boolean);
    let now: Block | null = null;
    for (const line of lines) {
      const item = /^[-*] (.*)$/.exec(line)?.[1];
      if (item !== undefined) {
        if (!now?.list) made.push((now = { list: true, items: [] }));
        now.items.push(plain(item));
      } else if (now) {
        now.items.push(`${now.items.pop() ?? ''} ${plain(line)}`);
      } else {
        made.push((now = { list: false, items: [plain(line)] }));
      }
    }
  }
  return made;
}

/** Without the stars of emphasis, outside of code. */
function plain(line: string): string {
  return line
    .split('`')
    .map((piece, index) => (index % 2 ? piece : piece.replace(/(\*{1,2})(?=\S)(.+?)(?<=\S)\1/g, '$2')))
    .join('`');
}
