import type { Demo } from './demo';

const PROJECTS = `# Welcome to Fabula. The tabs above are one tour:
# read, start, watch, accept.
#
# 1. Read. Press Ctrl-Enter, and copy the id of a
#    chapter for tab 2. Every request needs a token:
#    see "Headers" below. Tab 5 gets you one.

query Projects {
  projects(first: 5) {
    edges {
      node {
        id
        title
        chapters(first: 10) {
          edges {
            node {
              id
              title
              status
              wordCount
            }
          }
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const WRITE = `# 2. Start. The mutation returns at once; a worker
#    writes the chapter. Sent again with the same
#    idempotencyKey it returns the same generation
#    and starts nothing.

mutation WriteChapter($chapterId: ID!, $key: String!) {
  chapterGenerate(
    input: { chapterId: $chapterId, instructions: "Begin with the sound of the sea.", idempotencyKey: $key }
  ) {
    __typename
    ... on GenerationStarted {
      replayed
      generation {
        id
        state
      }
    }
    ... on UserError {
      code
      message
    }
  }
}
`;

const WATCH = `# 3. Watch. Any number of clients may; reconnecting
#    never starts or bills work. Give the cursor of
#    an event as "after" to go on behind it.

subscription WatchGeneration($id: ID!, $after: String) {
  generationEvents(id: $id, after: $after) {
    __typename
    seq
    cursor
    ... on TextDelta {
      text
    }
    ... on StreamReset {
      attempt
    }
    ... on StreamSnapshot {
      text
    }
    ... on GenerationCompleted {
      version {
        id
        wordCount
      }
    }
    ... on GenerationFailed {
      code
      message
    }
  }
}
`;

const ACCEPT = `# 4. Accept. The author decides: until then the text
#    is a candidate beside the chapter.

mutation AcceptVersion($versionId: ID!) {
  chapterVersionAccept(input: { versionId: $versionId }) {
    chapter {
      id
      status
      wordCount
    }
    userErrors {
      code
      message
      field
    }
  }
}
`;

const LOG_IN = `# 5. Log in. Put the access token into "Headers":
#    {"authorization": "Bearer <accessToken>"}

mutation LogIn($email: String!, $password: String!) {
  login(input: { email: $email, password: $password }) {
    tokens {
      accessToken
      accessTokenExpiresAt
    }
    userErrors {
      code
      message
    }
  }
}
`;

const json = (value: object) => JSON.stringify(value, null, 2);

export function defaultTabs({ email, password, chapterId }: Demo, headers: string) {
  const key = `graphiql-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  return [
    { query: PROJECTS, headers },
    { query: WRITE, variables: json({ chapterId, key }), headers },
    { query: WATCH, variables: json({ id: 'the generation id of tab 2', after: null }), headers },
    { query: ACCEPT, variables: json({ versionId: 'the version id of tab 3' }), headers },
    { query: LOG_IN, variables: json({ email, password }) },
  ];
}

export const DEFAULT_QUERY = PROJECTS;
