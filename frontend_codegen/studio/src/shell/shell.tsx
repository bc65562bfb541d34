import { useMeQuery, useWalletQuery } from '@fabula/client/urql';
import type { ReactNode } from 'react';
import { Link } from 'wouter';

import { session } from '../api';
import { formatMoney } from '../format';
import { useTranslation } from '../i18n/context';
import { ASSISTANTS_PATH, CHANNELS_PATH, CHAT_PATH, KNOWLEDGE_PATH, USAGE_PATH } from '../links';
import { Menu } from '../ui/menu';
import { Preferences } from './preferences';
import { useMayBill, useMayManage } from './use-may-manage';

/** The bar above every page of a person who is logged in. `trail` says where in the shelf one is. */
export function Shell({ trail, children }: { trail?: ReactNode; children: ReactNode }) {
  const { t } = useTranslation();
  const mayManage = useMayManage();
  const mayBill = useMayBill();
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t.shell.skip}
      </a>
      <header className="topbar">
        <Link className="wordmark" href="/">
          {t.brand}
        </Link>
        <div className="trail">{trail}</div>
        <nav className="places" aria-label={t.shell.places}>
          <Link className="text-button" href={CHAT_PATH}>
            {t.chat.title}
          </Link>
          <Link className="text-button" href={KNOWLEDGE_PATH}>
            {t.knowledge.title}
          </Link>
          <Link className="text-button" href={ASSISTANTS_PATH}>
            {t.assistants.title}
          </Link>
          {mayManage && (
            <Link className="text-button" href={CHANNELS_PATH}>
              {t.channels.title}
            </Link>
          )}
          {mayBill && (
            <Link className="text-button" href={USAGE_PATH}>
              {t.billing.title}
            </Link>
          )}
        </nav>
        <Balance />
        <Preferences />
        <Account />
      </header>
      {children}
    </div>
  );
}

function Balance() {
  const { t, language } = useTranslation();
  const [{ data }] = useWalletQuery();
  if (!data) return null;
  const available = formatMoney(data.wallet.available, language);
  const sentence = t.shell.wallet(available, formatMoney(data.wallet.held, language));
  return (
    <span className="balance" title={sentence}>
      <span className="visually-hidden">{t.shell.balance}: </span>
      {available}
    </span>
  );
}

function Account() {
  const { t } = useTranslation();
  const [{ data }] = useMeQuery();
  const name = data?.me.user?.displayName ?? data?.me.tenant.name ?? t.shell.account;
  const items = [{ label: t.shell.signOut, onSelect: () => void session.signOut() }];
  return <Menu label={`${t.shell.account}: ${name}`} trigger={name} triggerClass="text-button account" items={items} />;
}
