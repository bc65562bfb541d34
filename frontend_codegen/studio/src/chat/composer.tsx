import { type FormEvent, type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem } from '../problems';
import { IconButton } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

interface ComposerProps {
  /** What went wrong, or nothing; then the field is emptied. */
  onSend: (text: string) => Promise<Problem | null>;
  /** While an answer is written there is something to stop and nothing to send. */
  onStop: (() => void) | null;
  stopping?: boolean;
  /** What stands below the field. */
  children?: ReactNode;
}

/** Where one says something. What is not sent yet stays when sending fails. */
export function Composer({ onSend, onStop, stopping = false, children }: ComposerProps) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => void field.current?.focus({ preventScroll: true }), []);
  const send = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!text.trim() || busy || onStop) return;
    setBusy(true);
    const refused = await onSend(text);
    setBusy(false);
    setProblem(refused);
    if (!refused) setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also takes a suggestion of an input method: that is no sending.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <div className="composer">
      <ProblemNotice problem={problem} />
      <form className="composer-box" onSubmit={(event) => void send(event)}>
        <textarea
          ref={field}
          rows={1}
          aria-label={t.chat.message}
          placeholder={t.chat.placeholder}
          title={t.chat.sendHint}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {onStop ? (
          <IconButton
            icon="stop"
            label={stopping ? t.chat.stopping : t.chat.stop}
            disabled={stopping}
            onClick={onStop}
          />
        ) : (
          <IconButton icon="send" label={t.chat.send} type="submit" disabled={busy || !text.trim()} />
        )}
      </form>
      <div className="composer-bar">{children}</div>
    </div>
  );
}
