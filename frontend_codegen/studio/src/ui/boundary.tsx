import { Component, type ReactNode } from 'react';

import { useTranslation } from '../i18n/context';
import { Button } from './button';

function Broken() {
  const { t } = useTranslation();
  return (
    <main className="message-page">
      <p role="alert">{t.errors.render}</p>
      <Button look="primary" onClick={() => location.reload()}>
        {t.errors.reload}
      </Button>
    </main>
  );
}

export class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override render() {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}
