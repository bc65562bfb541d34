import {
  DocumentCreateDocument,
  type KnowledgeScope,
  UploadCompleteDocument,
  UploadCreateDocument,
} from '@fabula/client';
import { useFabula } from '@fabula/client/urql';
import { useRef, useState } from 'react';

import { fileUrl, KNOWLEDGE_CONTEXT, randomKey } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { sha256 } from './sha256';

export interface Upload {
  key: string;
  name: string;
  phase: 'hashing' | 'sending' | 'adding' | 'failed';
  /** 0 to 1, of the bytes. */
  sent: number;
  problem: Problem | null;
}

class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

/** Files on their way into a base, one after the other. One that has arrived is among the documents, and leaves this list. */
export function useUploads(knowledgeBaseId: string, scope: KnowledgeScope) {
  const { t } = useTranslation();
  const { urql } = useFabula();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const queue = useRef(Promise.resolve());
  const change = (key: string, part: Partial<Upload>) =>
    setUploads((before) => before.map((one) => (one.key === key ? { ...one, ...part } : one)));
  const dismiss = (key: string) => setUploads((before) => before.filter((one) => one.key !== key));
  const check = (problem: Problem | null) => {
    if (problem) throw new Refused(problem);
  };

  const bring = async (file: File, key: string) => {
    // Files for KNOWLEDGE are seen by the whole studio.
    const purpose = scope === 'USER' ? ('ATTACHMENT' as const) : ('KNOWLEDGE' as const);
    const input = { fileName: file.name, size: file.size, purpose };
    const created = await urql.mutation(UploadCreateDocument, { input }).toPromise();
    check(problemOf(t, created.error, created.data?.uploadCreate.userErrors));
    const upload = created.data?.uploadCreate.upload;
    if (!upload) return;
    const hash = await sha256(file);
    change(key, { phase: 'sending' });
    const taken = await send(file, upload, (sent) => change(key, { sent }));
    if (!taken) throw new Refused({ code: 'NETWORK', message: t.knowledge.refusedSend, field: null });
    change(key, { phase: 'adding', sent: 1 });
    const completed = await urql
      .mutation(UploadCompleteDocument, { input: { uploadId: upload.id, sha256: hash } })
      .toPromise();
    check(problemOf(t, completed.error, completed.data?.uploadComplete.userErrors));
    const fileId = completed.data?.uploadComplete.file?.id;
    if (!fileId) return;
    const document = { knowledgeBaseId, fileId, idempotencyKey: key };
    const added = await urql.mutation(DocumentCreateDocument, { input: document }, KNOWLEDGE_CONTEXT).toPromise();
    check(problemOf(t, added.error, added.data?.documentCreate.userErrors));
  };
  const add = (files: Iterable<File>) => {
    for (const file of files) {
      const key = randomKey();
      setUploads((before) => [...before, { key, name: file.name, phase: 'hashing', sent: 0, problem: null }]);
      queue.current = queue.current.then(async () => {
        try {
          await bring(file, key);
          dismiss(key);
        } catch (error) {
          const message = t.knowledge.refusedSend;
          const problem = error instanceof Refused ? error.problem : { code: 'INTERNAL', message, field: null };
          change(key, { phase: 'failed', problem });
        }
      });
    }
  };
  return { uploads, add, dismiss };
}

interface Leave {
  url: string;
  method: string;
  headers: unknown;
}

/** Sends the bytes and says how many are sent, which fetch does not. Answers whether they were taken. */
function send(file: File, { url, method, headers }: Leave, onSent: (share: number) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, fileUrl(url));
    for (const [name, value] of Object.entries((headers ?? {}) as Record<string, string>)) {
      // Browsers set these two themselves.
      if (!/^(content-length|host)$/i.test(name)) request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    request.onload = () => resolve(request.status >= 200 && request.status < 300);
    request.onerror = () => resolve(false);
    request.send(file);
  });
}
