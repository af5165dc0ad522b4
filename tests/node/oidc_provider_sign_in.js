// oidc-provider signs people in, over TLS: prints its address, and serves until standard input
// closes. Arguments: the file of its certificate and key, its port, the service's redirect URI and
// its address for sign-out notices.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const [file, port, redirectUri, logoutUri] = process.argv.slice(2)
const { privateKey } = await generateKeyPair('RS256', { extractable: true })
const jwk = { ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256' }
const pem = readFileSync(file)

const server = createServer({ key: pem, cert: pem })
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `https://localhost:${port}`
  const provider = new Provider(issuer, {
    jwks: { keys: [jwk] },
    clients: [{
      client_id: 'ours',
      client_secret: 'a-secret-of-the-test',
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'client_secret_basic',
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    }],
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'groups'],
    findAccount: (context, id) => ({
      accountId: id,
      claims: () => ({ sub: `subject-of-${id}`, preferred_username: id, groups: ['Press'] }),
    }),
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    pkce: { required: () => true },
    // It connects to no private address otherwise, and the service is on loopback.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  })
  provider.on('backchannel.error', (context, error) => console.error(error.message))
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.on('end', () => process.exit(0)).resume()
