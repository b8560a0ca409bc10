// Dark or light: as the system says, unless the reader chose.
export type Theme = 'light' | 'dark';
const KEY = 'trema-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

class ThemeState {
  private chosen = $state<Theme | null>(read());
  private dark = $state(system.matches);

  constructor() {
    system.addEventListener('change', () => (this.dark = system.matches));
  }

  get now(): Theme {
    return this.chosen ?? (this.dark ? 'dark' : 'light');
  }

  toggle(): void {
    this.chosen = this.now === 'dark' ? 'light' : 'dark';
    localStorage.setItem(KEY, this.chosen);
  }
}

function read(): Theme | null {
  const value = localStorage.getItem(KEY);
  return value === 'dark' || value === 'light' ? value : null;
}

export const theme = new ThemeState();
