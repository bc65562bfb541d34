import { Link } from 'wouter';

import { useTranslation } from '../i18n/context';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <main className="message-page" id="main">
      <p>{t.common.notFound}</p>
      <Link className="button button-primary" href="/">
        {t.common.toShelf}
      </Link>
    </main>
  );
}
