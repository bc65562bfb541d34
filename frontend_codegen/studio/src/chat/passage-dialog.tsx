import { useTranslation } from '../i18n/context';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import type { Cited } from './model';

/** The words that an answer stands on. */
export function PassageDialog({ cited, onClose }: { cited: Cited; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog
      title={cited.document.title || t.chat.passage}
      onClose={onClose}
      actions={<Button onClick={onClose}>{t.common.close}</Button>}
    >
      <blockquote className="passage">
        <mark>{cited.quote}</mark>
      </blockquote>
    </Dialog>
  );
}
