// Text that a training script wrote, made safe to look at. Svelte escapes markup; this shows what
// would hide or reorder other text.

// bidirectional and invisible formatting characters, and control characters
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The text with hidden and reordering characters shown as escapes, at most `limit` characters. */
export function inert(text: unknown, limit = 2000): string {
  const shown = String(text ?? '').slice(0, limit + 1);
  const whole = shown.length > limit ? `${shown.slice(0, limit)}…` : shown;
  return whole.replace(HIDDEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The address when it is one a browser may open from a page that shows foreign text, else null. */
export function safeLink(address: string | null | undefined): string | null {
  if (!address) return null;
  return /^(https?:\/\/|vscode:\/\/|vscode-insiders:\/\/|cursor:\/\/|windsurf:\/\/|zed:\/\/|pycharm:\/\/|idea:\/\/|jetbrains:\/\/|subl:\/\/|txmt:\/\/|mvim:\/\/)/i.test(address)
    ? address
    : null;
}

export interface Piece {
  text: string;
  code: boolean;
}

/** A message split at its backticks. */
export function pieces(text: string): Piece[] {
  return inert(text)
    .split('`')
    .map((part, index) => ({ text: part, code: index % 2 === 1 }))
    .filter((piece) => piece.text !== '');
}
