import { type FormEvent, type KeyboardEvent, useCallback, useMemo, useState } from 'react';

import { useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { type Problem } from '../problems';
import { Ask } from '../ui/ask';
import { Button, IconButton } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { AnswerStream } from './answer-stream';
import { Markdown } from './markdown';
import { type Cited, isBeingWritten, type Message, withMarks } from './model';
import { Chip, Sources } from './sources';
import type { Talking } from './use-talking';

interface MessageItemProps {
  message: Message;
  /** Who has said what no model was asked for. */
  assistant: string | null;
  /** Whether it is the one that somebody looked for. */
  found: boolean;
  talking: Talking;
  /** Nothing can be said otherwise while an answer is written. */
  idle: boolean;
  onEnded: () => void;
  onCited: (cited: Cited) => void;
}

export function MessageItem({ message, assistant, found, talking, idle, onEnded, onCited }: MessageItemProps) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const mine = message.role === 'USER';
  return (
    <li className={mine ? 'message message-mine' : 'message'} id={message.id} data-found={found || undefined}>
      <h2 className="message-who">{mine ? t.chat.you : (message.generation?.model ?? assistant ?? t.chat.model)}</h2>
      {editing ? (
        <EditForm message={message} talking={talking} onClose={() => setEditing(false)} />
      ) : mine ? (
        <p className="message-text">{message.text}</p>
      ) : (
        <Answer message={message} onEnded={onEnded} onCited={onCited} />
      )}
      {!editing && !isBeingWritten(message) && (
        <Bar message={message} talking={talking} idle={idle} onEdit={() => setEditing(true)} />
      )}
    </li>
  );
}

type AnswerProps = Pick<MessageItemProps, 'message' | 'onEnded' | 'onCited'>;

function Answer({ message, onEnded, onCited }: AnswerProps) {
  const { t } = useTranslation();
  const { text, citations, generation } = message;
  const marked = useMemo(() => withMarks(text, citations), [text, citations]);
  const chip = useCallback(
    (rank: number) => {
      const cited = citations.find((one) => one.rank === rank);
      return cited && <Chip cited={cited} onOpen={onCited} />;
    },
    [citations, onCited],
  );
  if (isBeingWritten(message) && generation) {
    return <AnswerStream key={generation.id} generationId={generation.id} onEnded={onEnded} />;
  }
  const note = noteOf(t, message);
  return (
    <>
      {text && <Markdown text={marked} chip={chip} />}
      {note && (
        <p className="message-note" data-state={message.state}>
          {note}
        </p>
      )}
      <Sources citations={citations} onOpen={onCited} />
    </>
  );
}

/** Why an answer is not all that it could have been. */
function noteOf(t: Strings, { state, generation }: Message): string | null {
  switch (state) {
    case 'CANCELLED':
      return t.chat.states.cancelled;
    case 'TRUNCATED':
      return t.generate.states.truncated[generation?.truncationReason ?? ''] ?? t.chat.states.cancelled;
    case 'FAILED': {
      const code = generation?.errorCode ?? '';
      return t.chat.failed(t.generate.failures[code] ?? generation?.errorMessage ?? '');
    }
    default:
      return null;
  }
}

type BarProps = Pick<MessageItemProps, 'message' | 'talking' | 'idle'> & { onEdit: () => void };

/** What can be done with a message, and which of its versions it is. */
function Bar({ message, talking, idle, onEdit }: BarProps) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [deleting, setDeleting] = useState(false);
  const copy = () => void copyText(message.text).then(setCopied);
  const again = () => void talking.regenerate(message.id).then(setProblem);
  return (
    <div className="message-bar">
      {message.siblingCount > 1 && <Versions message={message} talking={talking} idle={idle} onProblem={setProblem} />}
      {message.text && (
        <IconButton icon={copied ? 'check' : 'copy'} label={copied ? t.chat.copied : t.chat.copy} onClick={copy} />
      )}
      {message.role === 'USER' ? (
        <IconButton icon="pencil" label={t.chat.edit} disabled={!idle} onClick={onEdit} />
      ) : (
        message.generation && <IconButton icon="again" label={t.chat.again} disabled={!idle} onClick={again} />
      )}
      <IconButton icon="remove" label={t.chat.deleteMessage} disabled={!idle} onClick={() => setDeleting(true)} />
      <ProblemNotice problem={problem} />
      {deleting && (
        <Ask
          title={t.chat.deleteMessageTitle}
          action={t.common.delete}
          danger
          run={() => talking.remove(message.id)}
          onClose={() => setDeleting(false)}
        >
          {(refused) => (
            <>
              <ProblemNotice problem={refused} />
              <p>{t.chat.deleteMessageText}</p>
            </>
          )}
        </Ask>
      )}
    </div>
  );
}

type VersionsProps = Pick<MessageItemProps, 'message' | 'talking' | 'idle'> & {
  onProblem: (problem: Problem | null) => void;
};

function Versions({ message, talking, idle, onProblem }: VersionsProps) {
  const { t } = useTranslation();
  const { siblings, siblingPlace, siblingCount } = message;
  const go = (step: -1 | 1) => {
    const to = siblings[siblingPlace - 1 + step];
    if (to) void talking.switchTo(to.id).then(onProblem);
  };
  return (
    <span className="versions-switch">
      <IconButton icon="back" label={t.chat.before} disabled={!idle || siblingPlace <= 1} onClick={() => go(-1)} />
      <span role="status">{t.chat.place(siblingPlace, siblingCount)}</span>
      <IconButton
        icon="forward"
        label={t.chat.after}
        disabled={!idle || siblingPlace >= siblingCount}
        onClick={() => go(1)}
      />
    </span>
  );
}

interface EditFormProps {
  message: Message;
  talking: Talking;
  onClose: () => void;
}

/** Saying it otherwise begins another path; the one before stays beside it. */
function EditForm({ message, talking, onClose }: EditFormProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(message.text);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const send = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!text.trim()) return;
    setBusy(true);
    const refused = await talking.edit(message.id, text);
    setBusy(false);
    setProblem(refused);
    if (!refused) onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onClose();
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <form className="message-edit" onSubmit={(event) => void send(event)}>
      <textarea
        aria-label={t.chat.editLabel}
        value={text}
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <ProblemNotice problem={problem} />
      <div className="message-edit-actions">
        <Button look="quiet" onClick={onClose}>
          {t.common.cancel}
        </Button>
        <Button look="primary" type="submit" busy={busy} disabled={!text.trim()}>
          {t.chat.send}
        </Button>
      </div>
    </form>
  );
}

/** Whether it was copied. Browsers have a clipboard only in secure contexts; a LAN address is not one. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
