import { type KeyboardEvent, type ReactNode, useId } from 'react';

interface TabsProps<K extends string> {
  label: string;
  tabs: { key: K; label: string; panel: ReactNode }[];
  active: K;
  onChange: (key: K) => void;
  look?: 'line' | 'segment';
  /** Hide the other panels instead of leaving them out, so that what was typed there stays. */
  keep?: boolean;
}

/** Arrows move between the tabs. */
export function Tabs<K extends string>({ label, tabs, active, onChange, look = 'line', keep = false }: TabsProps<K>) {
  const id = useId();
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const at = tabs.findIndex((tab) => tab.key === active);
    const next = tabs.at((at + step + tabs.length) % tabs.length);
    if (!next) return;
    onChange(next.key);
    document.getElementById(`${id}-${next.key}`)?.focus();
  };
  const current = tabs.find((tab) => tab.key === active) ?? tabs[0];
  return (
    <>
      <div className={`tabs tabs-${look}`} role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.key}
            id={`${id}-${tab.key}`}
            type="button"
            role="tab"
            className="tab"
            aria-selected={tab === current}
            aria-controls={`${id}-${tab.key}-panel`}
            tabIndex={tab === current ? 0 : -1}
            onClick={() => onChange(tab.key)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      {tabs
        .filter((tab) => keep || tab === current)
        .map((tab) => (
          <div
            key={tab.key}
            id={`${id}-${tab.key}-panel`}
            className="tab-panel"
            role="tabpanel"
            aria-labelledby={`${id}-${tab.key}`}
            hidden={tab !== current}
          >
            {tab.panel}
          </div>
        ))}
    </>
  );
}
