// openid-client signs somebody in; the test is the browser, over standard input and output.
// Arguments: issuer, client id, secret or "", "dpop" or "".
import * as client from 'openid-client'
import { createInterface } from 'node:readline/promises'

const [issuer, id, secret, bound] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const browse = async (url) => {
  console.log(url.href)
  return new URL((await lines.next()).value)
}

const authentication = secret ? client.ClientSecretBasic(secret) : client.None()
const options = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL(issuer), id, undefined, authentication, options)
const proof = bound
  ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) }
  : undefined

const redirect_uri = 'https://app.example/callback'
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const request = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: 'openid profile offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  max_age: '600',
})
const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 600, idTokenExpected: true }
const answer = await browse(request)
const first = await client.authorizationCodeGrant(config, answer, checks, undefined, proof)
const second = await client.refreshTokenGrant(config, first.refresh_token, undefined, proof)
const { sub } = first.claims()
const person = await client.fetchUserInfo(config, second.access_token, sub, proof)

const over = await browse(client.buildEndSessionUrl(config, {
  post_logout_redirect_uri: 'https://app.example/bye',
  id_token_hint: second.id_token ?? first.id_token,
  state: 'over',
}))
const after = await client.refreshTokenGrant(config, second.refresh_token, undefined, proof)
  .then(() => 'refreshed', (error) => error.error)
console.log(JSON.stringify({
  type: first.token_type,
  username: person.preferred_username,
  same: person.sub === second.claims().sub,
  over: over.href,
  after,
}))
process.exit(0)
