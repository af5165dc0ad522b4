// The MCP SDK registers itself and signs somebody in; the test is the browser, over standard input
// and output. Arguments: issuer, resource, "none" or another way of client authentication.
import {
  discoverAuthorizationServerMetadata, exchangeAuthorization, refreshAuthorization, registerClient,
  startAuthorization
} from '@modelcontextprotocol/sdk/client/auth.js'
import { createInterface } from 'node:readline/promises'

const [issuer, resource, method] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const redirectUrl = 'http://localhost:3334/callback'

const metadata = await discoverAuthorizationServerMetadata(issuer)
let refused
try {
  await registerClient(issuer, { metadata, clientMetadata: { redirect_uris: ['http://evil.example/'] } })
} catch (error) {
  refused = error.message
}
const clientInformation = await registerClient(issuer, {
  metadata,
  scope: 'tools:read',
  clientMetadata: {
    client_name: 'An agent',
    client_uri: 'https://agent.example',
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: method
  }
})
const asked = { metadata, clientInformation, resource: new URL(resource) }
const { authorizationUrl, codeVerifier } = await startAuthorization(issuer, {
  ...asked, redirectUrl, scope: 'tools:read', state: 'a state'
})
console.log(authorizationUrl.href)
const answer = new URL((await lines.next()).value)
const tokens = await exchangeAuthorization(issuer, {
  ...asked,
  authorizationCode: answer.searchParams.get('code'),
  codeVerifier,
  redirectUri: redirectUrl
})
const again = await refreshAuthorization(issuer, { ...asked, refreshToken: tokens.refresh_token })
console.log(JSON.stringify({
  refused,
  client_id: clientInformation.client_id,
  scope: tokens.scope,
  refreshed: again.access_token !== tokens.access_token
}))
process.exit(0)
