// openid-client as older clients are: no PKCE but a nonce, RS256, and the answer by a form; then a
// request that it has signed, and one that it has pushed. The test is the browser, over standard
// input and output.
// Arguments: issuer, client id, secret, the private key of the client as a JWK.
import * as client from 'openid-client'
import { importJWK } from 'jose'
import { createInterface } from 'node:readline/promises'

const [issuer, id, secret, jwk] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const redirect_uri = 'https://app.example/callback'
const browse = async (url) => {
  console.log(url.href)
  const { search, searchParams } = new URL((await lines.next()).value)
  return { search, posted: new Request(redirect_uri, { method: 'POST', body: searchParams }) }
}

const metadata = { id_token_signed_response_alg: 'RS256' }
const options = { execute: [client.allowInsecureRequests] }
const authentication = client.ClientSecretBasic(secret)
const config = await client.discovery(new URL(issuer), id, metadata, authentication, options)

const wish = () => ({
  redirect_uri,
  scope: 'openid',
  response_mode: 'form_post',
  state: client.randomState(),
  nonce: client.randomNonce(),
})
const exchange = async (asked, request) => {
  const checks = { expectedState: asked.state, expectedNonce: asked.nonce, idTokenExpected: true }
  return client.authorizationCodeGrant(config, (await browse(request)).posted, checks)
}

const claims = { userinfo: { preferred_username: { essential: true } } }
const plain = { ...wish(), claims: JSON.stringify(claims) }
const first = await exchange(plain, client.buildAuthorizationUrl(config, plain))
const person = await client.fetchUserInfo(config, first.access_token, first.claims().sub)

const kept = wish()
const key = { key: await importJWK(JSON.parse(jwk), 'ES256'), kid: JSON.parse(jwk).kid }
const signed = await client.buildAuthorizationUrlWithJAR(config, kept, key)
const second = await exchange(kept, signed)

const early = wish()
const pushed = await client.buildAuthorizationUrlWithPAR(config, early)
const third = await exchange(early, pushed)

const silent = { ...wish(), prompt: 'none', max_age: '0' }
const refused = await exchange(silent, client.buildAuthorizationUrl(config, silent))
  .then(() => 'signed in', (error) => error.error)
console.log(JSON.stringify({
  username: person.preferred_username,
  same: new Set([first, second, third].map((one) => one.claims().sub)).size === 1,
  beside: [signed, pushed].map((url) => [...url.searchParams.keys()].sort()),
  refused,
}))
process.exit(0)
