// oidc-provider with PostgreSQL, as a peer for benchmarks/sessions.py.
// Arguments: the database's URL, how many refresh tokens to make.
// Prints one line of JSON: its address, refresh tokens and an opaque access token.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

// The packages are those of the tests.
const packages = createRequire(new URL('../tests/node/package.json', import.meta.url))
const { Pool } = packages('pg')
const { Provider } = await import(packages.resolve('oidc-provider'))

const [database, count] = process.argv.slice(2)
const pool = new Pool({ connectionString: database, max: 16 })
await pool.query(`
  CREATE TABLE model (
    kind text, id text, payload jsonb NOT NULL, grant_id text, uid text, user_code text,
    consumed_at bigint, expires_at timestamptz, PRIMARY KEY (kind, id));
  CREATE INDEX ON model (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX ON model (kind, uid) WHERE uid IS NOT NULL;
  CREATE INDEX ON model (kind, user_code) WHERE user_code IS NOT NULL`)

const UPSERT = `
  INSERT INTO model (kind, id, payload, grant_id, uid, user_code, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
  ON CONFLICT (kind, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`
const FIND = 'SELECT payload, consumed_at FROM model WHERE kind = $1 AND (expires_at > now() OR expires_at IS NULL)'

class Adapter {
  constructor(kind) {
    this.kind = kind
  }

  // A named statement is prepared once a connection.
  query(name, text, ...values) {
    return pool.query({ name, text, values: [this.kind, ...values] })
  }

  async upsert(id, payload, expiresIn) {
    const { grantId, uid, userCode } = payload
    await this.query('upsert', UPSERT, id, payload, grantId, uid, userCode, expiresIn)
  }

  async #find(column, value) {
    const { rows: [row] } = await this.query(`by ${column}`, `${FIND} AND ${column} = $2`, value)
    return row && { ...row.payload, ...(row.consumed_at && { consumed: Number(row.consumed_at) }) }
  }

  find(id) {
    return this.#find('id', id)
  }

  findByUid(uid) {
    return this.#find('uid', uid)
  }

  findByUserCode(code) {
    return this.#find('user_code', code)
  }

  async consume(id) {
    const text = 'UPDATE model SET consumed_at = extract(epoch from now()) WHERE kind = $1 AND id = $2'
    await this.query('consume', text, id)
  }

  async destroy(id) {
    await this.query('destroy', 'DELETE FROM model WHERE kind = $1 AND id = $2', id)
  }

  async revokeByGrantId(grantId) {
    const text = 'DELETE FROM model WHERE kind = $1 AND grant_id = $2'
    await this.query('revoke', text, grantId)
  }
}

const resource = 'https://orders.example'
const scope = 'orders:read'
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const machine = {
  client_secret: 'a-secret-of-the-benchmark-only-0123456789',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope,
}
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}`
const provider = new Provider(url, {
  adapter: Adapter,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  clients: [
    {
      client_id: 'app',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['com.example.app:/callback'],
      scope: `openid ${scope}`,
    },
    { client_id: 'job', ...machine },
    { client_id: 'orders', ...machine },
  ],
  // Without offline_access it has no refresh tokens.
  scopes: ['openid', 'offline_access', scope],
  cookies: { keys: ['a-key-of-the-benchmark-only'] },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 1209600, RefreshToken: 1209600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope,
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
server.on('request', provider.callback())

const client = await provider.Client.find('app')
const begin = async (number) => {
  const accountId = `account-${number}`
  const grant = new provider.Grant({ accountId, clientId: 'app' })
  grant.addResourceScope(resource, scope)
  grant.addOIDCScope('openid')
  const about = { accountId, client, grantId: await grant.save(), scope, gty: 'authorization_code' }
  const refresh = new provider.RefreshToken({ ...about, resource })
  return { refresh: await refresh.save(), about }
}
const begun = await Promise.all(Array.from({ length: Number(count) }, (_, number) => begin(number)))
// It does not introspect its own JWTs, so what is introspected is an opaque token.
const opaque = await new provider.AccessToken({ ...begun[0].about, aud: resource }).save()
console.log(JSON.stringify({ url, opaque, refresh: begun.map(({ refresh }) => refresh) }))

// It ends with the one who started it.
process.stdin.resume().on('end', () => process.exit())
