/** What the tour is filled in with. Only a server that runs with the demo tenant has it. */
export interface Demo {
  email: string;
  password: string;
  token: string;
  chapterId: string;
}

const NONE: Demo = { email: 'you@example.org', password: '', token: '', chapterId: 'a chapter id of tab 1' };
const FIRST_CHAPTER = '{ projects(first: 1) { edges { node { chapters(first: 1) { edges { node { id } } } } } } }';
const LOG_IN = `mutation LogIn($input: LoginInput!) { login(input: $input) { tokens { accessToken } } }`;

interface Answer {
  data?: {
    login?: { tokens: { accessToken: string } | null };
    projects?: { edges: { node: { chapters: { edges: { node: { id: string } }[] } } }[] };
  };
}

/** Logs in to the demo, so that a newcomer's first press of the button answers. Never fails: the tour works without. */
export async function loadDemo(endpoint: string): Promise<Demo> {
  try {
    const response = await fetch('/demo.json');
    if (!response.ok) return NONE;
    const { email, password } = (await response.json()) as Pick<Demo, 'email' | 'password'>;
    const { data: login } = await post(endpoint, { query: LOG_IN, variables: { input: { email, password } } });
    const token = login?.login?.tokens?.accessToken ?? '';
    const { data } = await post(endpoint, { query: FIRST_CHAPTER }, token);
    const chapterId = data?.projects?.edges[0]?.node.chapters.edges[0]?.node.id ?? NONE.chapterId;
    return { email, password, token, chapterId };
  } catch {
    return NONE;
  }
}

async function post(endpoint: string, body: object, token?: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Answer;
}
