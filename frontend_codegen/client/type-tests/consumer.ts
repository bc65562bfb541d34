/** Compiled, never run, against the built package: what a consumer may rely on the compiler for. */
import {
  type ChapterGenerateMutation,
  createFabulaClient,
  createSession,
  initialStreamState,
  ProjectsDocument,
  reduceStream,
} from '@fabula/client';
import { useChapterGenerateMutation, useProjectsQuery, useTokenStream } from '@fabula/client/urql';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <T extends true>(): T | null => null;

const session = createSession({ url: '/graphql' });
const client = createFabulaClient({ url: '/graphql', getToken: session.getToken, onUnauthenticated: session.renew });

const { data } = await client.urql.query(ProjectsDocument, { first: 5, filter: { titleContains: 'lamp' } });
yes<Equal<NonNullable<typeof data>['projects']['edges'][number]['node']['title'], string>>();

// @ts-expect-error a variable of the wrong type
void client.urql.query(ProjectsDocument, { first: 'five' });
// @ts-expect-error a filter that does not exist
void client.urql.query(ProjectsDocument, { filter: { colour: 'blue' } });

export function useEverything() {
  const [projects] = useProjectsQuery({ variables: { first: 20 } });
  yes<Equal<NonNullable<typeof projects.data>['projects']['pageInfo']['hasNextPage'], boolean>>();

  const [, generate] = useChapterGenerateMutation();
  // @ts-expect-error the key that makes a repeat safe is required
  void generate({ input: { chapterId: 'c', instructions: '' } });

  const stream = useTokenStream(null);
  yes<Equal<typeof stream.seq, number>>();
  yes<Equal<ReturnType<typeof stream.getText>, string>>();
  // @ts-expect-error the text is not part of the rendered state
  void stream.text;
  return stream.terminal?.kind === 'truncated' ? stream.terminal.reason : null;
}

/** A client that draws each outcome is told by the compiler when one is added. */
export function outcome(result: ChapterGenerateMutation['chapterGenerate']): string {
  switch (result.__typename) {
    case 'GenerationStarted':
      return result.generation.id;
    case 'QuotaExhausted':
      return result.needed.amount;
    case 'BudgetExceeded':
      return result.left.amount;
    case 'ContextTooSmall':
      return String(result.requiredTokens);
    case 'NoChannel':
    case 'IdempotencyConflict':
    case 'MutationError':
      return result.message;
    default:
      return result satisfies never;
  }
}

const state = reduceStream(initialStreamState, { __typename: 'TextDelta', seq: 1, cursor: 'c', at: '', text: 'a' });
yes<Equal<typeof state.text, string>>();
// @ts-expect-error states are not changed in place
state.text = 'b';
