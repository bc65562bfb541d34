import { useMeQuery } from '@fabula/client/urql';

/** Whether this person looks after the studio's channels. The server asks again; this only says what to offer. */
export function useMayManage(): boolean {
  const [{ data }] = useMeQuery();
  return data?.me.scopes.includes('admin') ?? false;
}
