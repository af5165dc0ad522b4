// oidc-provider with what `carnet conform` looks at: prints its address, and serves until standard
// input closes.
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const { privateKey } = await generateKeyPair('RS256', { extractable: true })
const key = { ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256' }
const secrets = { client_secret: 'a-secret-of-the-test-that-is-long-enough' }

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [{
      client_id: 'conform',
      ...secrets,
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      redirect_uris: ['https://app.example/callback'],
      response_types: ['code'],
    }],
    rotateRefreshToken: true,
    issueRefreshToken: (context, client) => client.grantTypeAllowed('refresh_token'),
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      registration: { enabled: true, initialAccessToken: 'an-initial-access-token' },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'orders:read',
          audience: 'orders',
          accessTokenFormat: 'jwt',
        }),
      },
      revocation: { enabled: true },
    },
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.on('end', () => process.exit(0)).resume()
