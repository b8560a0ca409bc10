import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// `npm run dev` talks to a `trema ui --port 6120` that runs beside it.
const SERVER = 'http://127.0.0.1:6120';

export default defineConfig({
  base: './', // relative: the page works below any mount point
  plugins: [svelte()],
  build: {
    outDir: '../src/trema/static',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // no data: URLs, so that the CSP can stay strict
  },
  server: {
    proxy: {
      '/api': {
        target: SERVER,
        changeOrigin: true,
        // the server takes writes of its own page only: to it, this one is that; others stay others
        configure: (proxy) =>
          proxy.on('proxyReq', (sent, came) => {
            if (came.headers.origin === `http://${came.headers.host ?? ''}`) sent.setHeader('origin', SERVER);
          }),
      },
    },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
