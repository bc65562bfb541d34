import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const api = process.env.FABULA_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  base: '/',
  plugins: [react()],
  build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  // `npx vite` while working on the Studio: everything that is not the Studio comes from a running Fabula.
  server: { proxy: { '/graphql': { target: api, ws: true }, '/demo.json': api, '^/invoices/.+\\.pdf$': api } },
});
