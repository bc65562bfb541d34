import { ProjectDocument, WalletDocument } from '@fabula/client';
import { type TokenStreamResult, useFabula, useTokenStream } from '@fabula/client/urql';
import { useEffect, useState } from 'react';

import { type Chapter, endedVersion, isRunning, latestGeneration, type Version, versionRows } from './model';

export interface Draft {
  stream: TokenStreamResult;
  generationId: string | null;
  running: boolean;
  /** The finished text that waits for the author's decision. */
  candidate: Version | null;
  /** Whether there is anything to show on the draft sheet. */
  present: boolean;
  watch: (generationId: string) => void;
}

/**
 * The chapter's newest draft: watched while it is written, whoever started it and whichever page was open then, and
 * kept until the author decides.
 */
export function useDraft(chapter: Chapter, refetch: () => void): Draft {
  const { urql } = useFabula();
  const projectId = chapter.project.id;
  const latest = latestGeneration(chapter);
  const runningId = latest && isRunning(latest) ? latest.id : null;
  const [generationId, watch] = useState(runningId);
  const stream = useTokenStream(generationId);
  const { terminal, status } = stream;

  useEffect(() => {
    if (runningId) watch(runningId);
  }, [runningId]);
  useEffect(() => {
    if (!terminal) return;
    refetch();
    void urql.query(ProjectDocument, { id: projectId }, { requestPolicy: 'network-only' }).toPromise();
    void urql.query(WalletDocument, {}, { requestPolicy: 'network-only' }).toPromise();
  }, [terminal, refetch, urql, projectId]);

  const running = generationId !== null && !terminal && status !== 'error';
  const version = running ? null : (endedVersion(stream) ?? latest?.version ?? null);
  const state = versionRows(chapter).find((row) => row.id === version?.id)?.state ?? version?.state;
  const candidate = state === 'CANDIDATE' ? version : null;
  const failed = terminal?.kind === 'failed' || terminal?.kind === 'revoked' || status === 'error';
  return { stream, generationId, running, candidate, present: running || candidate !== null || failed, watch };
}
