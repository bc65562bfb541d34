import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/pages.css';
import './styles/chapter.css';
import './styles/desk.css';
import './styles/channels.css';
import './styles/billing.css';
import './styles/plans.css';
import './styles/chat.css';
import './styles/knowledge.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './app';
import { TranslationProvider } from './i18n/context';
import { Boundary } from './ui/boundary';

createRoot(document.getElementById('studio')!).render(
  <StrictMode>
    <TranslationProvider>
      <Boundary>
        <App />
      </Boundary>
    </TranslationProvider>
  </StrictMode>,
);
