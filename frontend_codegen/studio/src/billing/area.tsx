import { type ReactNode, useEffect } from 'react';
import { Link, useLocation } from 'wouter';

import { useTranslation } from '../i18n/context';
import { BUDGETS_PATH, INVOICES_PATH, PLAN_PATH, USAGE_PATH, WALLET_PATH } from '../links';
import { Shell } from '../shell/shell';
import { useMayBill } from '../shell/use-may-manage';

/** The pages of the area, in the order in which they are offered. */
const PAGES = [
  { key: 'usage', path: USAGE_PATH },
  { key: 'wallet', path: WALLET_PATH },
  { key: 'budgets', path: BUDGETS_PATH },
  { key: 'plan', path: PLAN_PATH },
  { key: 'invoices', path: INVOICES_PATH },
] as const;

/** The frame of the billing pages. `children` are for those who keep the books; others read why they see none. */
export function BillingArea({
  page,
  about,
  action,
  children,
}: {
  page: (typeof PAGES)[number]['key'];
  about: string;
  action?: ReactNode;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const mayBill = useMayBill();
  const title = t.billing.tabs[page];
  useEffect(() => {
    document.title = `${title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [t, title]);
  return (
    <Shell>
      <main className="shelf billing" id="main">
        <AreaNavigation />
        <header className="shelf-head">
          <h1>{title}</h1>
          {mayBill && action}
        </header>
        <p className="quiet">{mayBill === false ? t.billing.refused : about}</p>
        {mayBill && children}
      </main>
    </Shell>
  );
}

function AreaNavigation() {
  const { t } = useTranslation();
  const [location] = useLocation();
  return (
    <nav className="area" aria-label={t.billing.title}>
      {PAGES.map(({ key, path }) => (
        <Link key={key} href={path} className="area-link" aria-current={location === path ? 'page' : undefined}>
          {t.billing.tabs[key]}
        </Link>
      ))}
    </nav>
  );
}
