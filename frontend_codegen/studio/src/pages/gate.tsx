import type { ReactNode } from 'react';

import { useTranslation } from '../i18n/context';
import { Preferences } from '../shell/preferences';

/** The frame of the pages before the shelf. */
export function Gate({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <div className="gate">
      <header className="gate-bar">
        <Preferences />
      </header>
      <main className="gate-main" id="main">
        <div className="gate-brand">
          <h1 className="gate-name">{t.brand}</h1>
          <p className="gate-tagline">{t.tagline}</p>
        </div>
        {children}
      </main>
    </div>
  );
}
