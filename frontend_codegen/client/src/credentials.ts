export interface CredentialOptions {
  /** The access token or API token to send now, or null for none. */
  getToken?: () => string | null | Promise<string | null>;
  /**
   * Called when the server refuses the token, never twice at once: get a new one, and answer whether `getToken` now
   * gives it. False means that the user has to log in again.
   */
  onUnauthenticated?: () => boolean | Promise<boolean>;
}

export interface Credentials {
  token(): Promise<string | null>;
  /** Single flight: callers who find the token refused while it is being renewed share the one renewal. */
  renew(): Promise<boolean>;
}

export function createCredentials({ getToken, onUnauthenticated }: CredentialOptions): Credentials {
  let renewal: Promise<boolean> | null = null;
  return {
    token: async () => (await getToken?.()) ?? null,
    renew: () => {
      renewal ??= Promise.resolve(onUnauthenticated?.() ?? false).finally(() => {
        renewal = null;
      });
      return renewal;
    },
  };
}

/** A fetch that sends the credentials, and once more with new ones when the server refuses the first. */
export function createAuthorizedFetch(
  credentials: Credentials,
  tenant?: string,
  base: typeof fetch = fetch,
): typeof fetch {
  const send = async (input: RequestInfo | URL, init: RequestInit | undefined): Promise<Response> => {
    const headers = new Headers(init?.headers);
    const token = await credentials.token();
    if (token) headers.set('authorization', `Bearer ${token}`);
    if (tenant) headers.set('x-tenant', tenant);
    return base(input, { ...init, headers });
  };
  return async (input, init) => {
    const first = await send(input, init);
    if (!(await isUnauthenticated(first)) || !(await credentials.renew())) return first;
    return send(input, init);
  };
}

async function isUnauthenticated(response: Response): Promise<boolean> {
  if (response.status === 401) return true;
  const text = await response.clone().text();
  if (!text.includes('"UNAUTHENTICATED"')) return false;
  const errors = (JSON.parse(text) as { errors?: { extensions?: { code?: string } }[] }).errors ?? [];
  return errors.some((error) => error.extensions?.code === 'UNAUTHENTICATED');
}
