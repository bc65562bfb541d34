import { type ReactNode, useState } from 'react';

import { useTranslation } from '../i18n/context';
import type { Problem } from '../problems';
import { Button } from './button';
import { Dialog } from './dialog';

interface AskProps {
  title: string;
  action: string;
  danger?: boolean;
  wide?: boolean;
  /** What went wrong, or nothing; then the dialog closes. */
  run: () => Promise<Problem | null>;
  onClose: () => void;
  children: (problem: Problem | null) => ReactNode;
}

/** A question with one answer that does something. */
export function Ask({ title, action, danger = false, wide = false, run, onClose, children }: AskProps) {
  const { t } = useTranslation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const onSubmit = async () => {
    setBusy(true);
    const refused = await run();
    setBusy(false);
    setProblem(refused);
    if (!refused) onClose();
  };
  const actions = (
    <>
      <Button look="quiet" onClick={onClose}>
        {t.common.cancel}
      </Button>
      <Button look={danger ? 'danger' : 'primary'} type="submit" busy={busy}>
        {action}
      </Button>
    </>
  );
  return (
    <Dialog title={title} wide={wide} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      {children(problem)}
    </Dialog>
  );
}
