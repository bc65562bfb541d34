import type { MessageEditInput, MessageRegenerateInput, MessageSendInput, MessageSendMutation } from '@fabula/client';
import {
  useConversationSwitchMutation,
  useGenerationCancelMutation,
  useMessageDeleteMutation,
  useMessageEditMutation,
  useMessageRegenerateMutation,
  useMessageSendMutation,
} from '@fabula/client/urql';
import type { CombinedError } from 'urql';

import { MESSAGE_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { refusalOf } from '../refusals';
import { useIdempotencyKey } from '../use-idempotency-key';

type Outcome = MessageSendMutation['messageSend'];

/** Everything that is said in a conversation. Each answers what went wrong, or nothing. */
export interface Talking {
  send: (conversationId: string, text: string) => Promise<Problem | null>;
  edit: (messageId: string, text: string) => Promise<Problem | null>;
  regenerate: (messageId: string) => Promise<Problem | null>;
  switchTo: (messageId: string) => Promise<Problem | null>;
  remove: (messageId: string) => Promise<Problem | null>;
  stop: (generationId: string) => Promise<Problem | null>;
}

export function useTalking(openId: string | null): Talking {
  const { t, language } = useTranslation();
  const [, send] = useMessageSendMutation();
  const [, edit] = useMessageEditMutation();
  const [, regenerate] = useMessageRegenerateMutation();
  const [, change] = useConversationSwitchMutation();
  const [, remove] = useMessageDeleteMutation();
  const [, cancel] = useGenerationCancelMutation();
  const sends = useIdempotencyKey<MessageSendInput>();
  const edits = useIdempotencyKey<MessageEditInput>();
  const answers = useIdempotencyKey<MessageRegenerateInput>();
  const settle = (outcome: Outcome | undefined, error: CombinedError | undefined, forget: () => void) => {
    if (!outcome) return problemOf(t, error);
    forget();
    return refusalOf(t, language, outcome, t.chat.refusals);
  };
  return {
    send: async (conversationId, text) => {
      const { data, error } = await send({ input: sends.add({ conversationId, text }) }, MESSAGE_CONTEXT);
      return settle(data?.messageSend, error, sends.forget);
    },
    edit: async (messageId, text) => {
      const { data, error } = await edit({ input: edits.add({ messageId, text }) }, MESSAGE_CONTEXT);
      return settle(data?.messageEdit, error, edits.forget);
    },
    regenerate: async (messageId) => {
      const { data, error } = await regenerate({ input: answers.add({ messageId }) }, MESSAGE_CONTEXT);
      return settle(data?.messageRegenerate, error, answers.forget);
    },
    switchTo: async (messageId) => {
      const input = { conversationId: openId ?? '', messageId };
      const { data, error } = await change({ input }, MESSAGE_CONTEXT);
      return problemOf(t, error, data?.conversationSwitch.userErrors);
    },
    remove: async (messageId) => {
      const { data, error } = await remove({ input: { id: messageId } }, MESSAGE_CONTEXT);
      return problemOf(t, error, data?.messageDelete.userErrors);
    },
    stop: async (generationId) => {
      const { data, error } = await cancel({ input: { id: generationId } });
      return problemOf(t, error, data?.generationCancel.userErrors);
    },
  };
}
