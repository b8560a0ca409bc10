// The states of a run: each has a word and a shape besides its colour.
export const STATES = ['running', 'finished', 'crashed', 'interrupted', 'killed'] as const;
export type State = (typeof STATES)[number];

/** Strokes in a box of 12 × 12. */
export const STATE_SHAPES: Record<State, string> = {
  running: 'M6 2.2a3.8 3.8 0 1 1 0 7.6a3.8 3.8 0 1 1 0-7.6Z', // disc
  finished: 'M1.5 6.4 4.7 9.6 10.5 2.6', // tick
  crashed: 'M2 2 10 10M10 2 2 10', // cross
  interrupted: 'M3.8 1.8V10.2M8.2 1.8V10.2', // pause
  killed: 'M6 1a5 5 0 1 1 0 10A5 5 0 1 1 6 1ZM2.5 2.5 9.5 9.5', // struck out
};

const MEANING: Record<State, string> = {
  running: 'The journal is being written.',
  finished: 'The script came to its end.',
  crashed: 'The script ended with an error.',
  interrupted: 'Somebody stopped the script.',
  killed: 'The process ended without a word, such as when it is out of memory.',
};

export function stateOf(text: string): State {
  return (STATES as readonly string[]).includes(text) ? (text as State) : 'killed';
}

/** What the state says, for a tooltip. */
export function meaning(state: string, exit: number | null = null): string {
  const code = exit ? ` Exit code ${exit}.` : '';
  return `${MEANING[stateOf(state)]}${code}`;
}
