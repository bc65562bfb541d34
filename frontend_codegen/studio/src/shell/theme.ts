import { useState } from 'react';

export type Theme = 'auto' | 'light' | 'dark';

const ORDER: Theme[] = ['auto', 'light', 'dark'];
const KEY = 'fabula.theme';

/** The attribute was set before the first paint by public/theme.js. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(
    () => ORDER.find((known) => known === document.documentElement.dataset.theme) ?? 'auto',
  );
  const next = () => {
    const following = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'auto';
    document.documentElement.dataset.theme = following;
    localStorage.setItem(KEY, following);
    setTheme(following);
  };
  return [theme, next];
}
