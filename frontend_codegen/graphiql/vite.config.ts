import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    // Monaco is one large piece by nature; it is compressed at build time and cached for good.
    chunkSizeWarningLimit: 6000,
    modulePreload: { polyfill: false },
    // A worker or font inlined as data: would need a wider content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      // "use no memo" speaks to the React compiler, which ran when GraphiQL was published.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
  worker: { format: 'es' },
});
