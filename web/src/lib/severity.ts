// Severities, the worst first, with the shape that stands for each besides its colour.
export const SEVERITIES = ['critical', 'error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** SVG paths in a box of 12 × 12. */
export const SHAPES: Record<Severity, string> = {
  critical: 'M6 0 12 6 6 12 0 6Z', // diamond
  error: 'M1 1H11V11H1Z', // square
  warning: 'M6 .8 12 11.2H0Z', // triangle
  info: 'M6 1a5 5 0 1 1 0 10A5 5 0 1 1 6 1Z', // circle
};

export function severityOf(text: string): Severity {
  return (SEVERITIES as readonly string[]).includes(text) ? (text as Severity) : 'info';
}
