// What every Node peer is started with: `node PEER.mjs PORT`, and BENCH_STAGE in the environment:
// { databaseUrl, poolSize, tenants: { bearer token: tenant's id } }. It stands for authentication and tenancy.
export const port = Number(process.argv[2]);
export const sessionOptions = '-c jit=off -c plan_cache_mode=force_generic_plan'; // as the product reads
export const { databaseUrl, poolSize, tenants } = JSON.parse(process.env.BENCH_STAGE);

export function tenantOf(authorization) {
  const tenant = tenants[authorization?.replace(/^Bearer /, '')];
  if (!tenant) throw new Error('nobody');
  return tenant;
}
