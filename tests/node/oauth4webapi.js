// oauth4webapi signs somebody in; the test is the browser, over standard input and output.
// Arguments: issuer, client id, secret or "", "dpop" or "".
import * as oauth from 'oauth4webapi'
import { createInterface } from 'node:readline/promises'

const [location, client_id, secret, bound] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const browse = async (url) => {
  console.log(url.href)
  return new URL((await lines.next()).value)
}

const issuer = new URL(location)
const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' })
  .then((response) => oauth.processDiscoveryResponse(issuer, response))
const client = { client_id }
const authentication = secret ? oauth.ClientSecretPost(secret) : oauth.None()
const DPoP = bound ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined
const options = { ...insecure, DPoP }

// The first answer to a proof may be the nonce that the next one is to have (RFC 9449 section 8).
let retried = false
const send = async (request, read) => {
  try {
    return await read(await request())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    retried = true
    return read(await request())
  }
}

const redirect_uri = 'https://app.example/callback'
const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const request = new URL(as.authorization_endpoint)
request.search = new URLSearchParams({
  client_id,
  redirect_uri,
  response_type: 'code',
  scope: 'openid profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
const answered = oauth.validateAuthResponse(as, client, await browse(request), state)
const first = await send(
  () => oauth.authorizationCodeGrantRequest(
    as, client, authentication, answered, redirect_uri, verifier, options),
  (response) => oauth.processAuthorizationCodeResponse(
    as, client, response, { expectedNonce: nonce, requireIdToken: true }))
const claims = oauth.getValidatedIdTokenClaims(first)
const second = await send(
  () => oauth.refreshTokenGrantRequest(as, client, authentication, first.refresh_token, options),
  (response) => oauth.processRefreshTokenResponse(as, client, response))
const person = await send(
  () => oauth.userInfoRequest(as, client, second.access_token, options),
  (response) => oauth.processUserInfoResponse(as, client, claims.sub, response))

const end = new URL(as.end_session_endpoint)
end.search = new URLSearchParams({
  post_logout_redirect_uri: 'https://app.example/bye',
  id_token_hint: first.id_token,
  state: 'over',
})
const over = await browse(end)
const after = await send(
  () => oauth.refreshTokenGrantRequest(as, client, authentication, second.refresh_token, options),
  (response) => oauth.processRefreshTokenResponse(as, client, response),
).then(() => 'refreshed', (error) => error.error)
console.log(JSON.stringify({
  type: first.token_type,
  username: person.preferred_username,
  same: person.sub === claims.sub,
  over: over.href,
  after,
  retried,
}))
process.exit(0)
