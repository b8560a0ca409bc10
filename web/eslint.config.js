import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import config from './svelte.config.js';

export default ts.config(
  { ignores: ['node_modules', 'src/api/schema.ts', 'openapi.json'] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: globals.browser } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig: config } },
  },
  {
    rules: {
      // what a training script wrote must never become markup
      'svelte/no-at-html-tags': 'error',
      'no-eval': 'error',
      'svelte/no-navigation-without-resolve': 'off', // hash routes; there is no SvelteKit
      '@typescript-eslint/no-non-null-assertion': 'error',
    },
  },
);
