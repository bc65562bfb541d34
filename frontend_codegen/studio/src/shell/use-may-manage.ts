import { useMeQuery } from '@fabula/client/urql';

/** Whether this person looks after the studio's channels. The server asks again; this only says what to offer. */
export const useMayManage = (): boolean => useScopes()?.includes('admin') ?? false;

/** Whether this person keeps the studio's books; null until that is known. */
export const useMayBill = (): boolean | null => useScopes()?.includes('billing') ?? null;

function useScopes(): string[] | undefined {
  const [{ data }] = useMeQuery();
  return data?.me.scopes;
}
