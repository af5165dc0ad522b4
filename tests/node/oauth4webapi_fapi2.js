// oauth4webapi under the FAPI 2.0 Security Profile: a key of its own, a pushed request and DPoP. The
// test is the browser, over standard input and output.
// Arguments: issuer, client id, the private key of the client as a JWK.
import * as oauth from 'oauth4webapi'
import { importJWK } from 'jose'
import { createInterface } from 'node:readline/promises'

const [location, client_id, jwk] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const browse = async (url) => {
  console.log(url.href)
  return new URL((await lines.next()).value)
}

const issuer = new URL(location)
const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.discoveryRequest(issuer, insecure)
  .then((response) => oauth.processDiscoveryResponse(issuer, response))
const client = { client_id }
const { kid } = JSON.parse(jwk)
const key = await importJWK(JSON.parse(jwk), 'ES256')
const authentication = oauth.PrivateKeyJwt({ key, kid })
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
const options = { ...insecure, DPoP }
const send = async (request, read) => {
  try {
    return await read(await request())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return read(await request())
  }
}

const redirect_uri = 'https://app.example/callback'
const verifier = oauth.generateRandomCodeVerifier()
const asked = new URLSearchParams({
  client_id,
  redirect_uri,
  response_type: 'code',
  scope: 'openid profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
const pushed = await send(
  () => oauth.pushedAuthorizationRequest(as, client, authentication, asked, options),
  (response) => oauth.processPushedAuthorizationResponse(as, client, response))
const url = new URL(as.authorization_endpoint)
url.search = new URLSearchParams({ client_id, request_uri: pushed.request_uri })
const answered = oauth.validateAuthResponse(as, client, await browse(url), oauth.expectNoState)
const first = await send(
  () => oauth.authorizationCodeGrantRequest(
    as, client, authentication, answered, redirect_uri, verifier, options),
  (response) => oauth.processAuthorizationCodeResponse(
    as, client, response, { requireIdToken: true }))
const claims = oauth.getValidatedIdTokenClaims(first)
const second = await send(
  () => oauth.refreshTokenGrantRequest(as, client, authentication, first.refresh_token, options),
  (response) => oauth.processRefreshTokenResponse(as, client, response))
const person = await send(
  () => oauth.userInfoRequest(as, client, second.access_token, options),
  (response) => oauth.processUserInfoResponse(as, client, claims.sub, response))
console.log(JSON.stringify({
  type: first.token_type,
  username: person.preferred_username,
  kept: second.refresh_token === first.refresh_token,
}))
process.exit(0)
