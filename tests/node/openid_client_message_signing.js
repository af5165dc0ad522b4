// openid-client under FAPI 2.0 Message Signing: requests that it has signed and pushed, signed
// answers, and answers about tokens that are signed. The test is the browser, over standard input and
// output.
// Arguments: issuer, client id, the private key of the client as a JWK.
import * as client from 'openid-client'
import { importJWK } from 'jose'
import { createInterface } from 'node:readline/promises'

const [issuer, id, jwk] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const browse = async (url) => {
  console.log(url.href)
  return new URL((await lines.next()).value)
}

const { kid } = JSON.parse(jwk)
const key = { key: await importJWK(JSON.parse(jwk), 'ES256'), kid }
const metadata = {
  authorization_signed_response_alg: 'ES256',
  introspection_signed_response_alg: 'ES256',
  id_token_signed_response_alg: 'ES256',
}
const options = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(
  new URL(issuer), id, metadata, client.PrivateKeyJwt(key), options)
client.useJwtResponseMode(config)
client.enableNonRepudiationChecks(config)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const asked = {
  redirect_uri: 'https://app.example/callback',
  scope: 'openid profile',
  resource: 'orders',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: client.randomState(),
}
const signed = await client.buildAuthorizationUrlWithJAR(config, asked, key)
const url = await client.buildAuthorizationUrlWithPAR(config, signed.searchParams, { DPoP })
const answer = await browse(url)
const checks = { pkceCodeVerifier, expectedState: asked.state, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, answer, checks, undefined, { DPoP })
const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
const told = await client.tokenIntrospection(config, tokens.access_token)
console.log(JSON.stringify({
  type: tokens.token_type,
  username: person.preferred_username,
  answer: [...answer.searchParams.keys()],
  beside: [...url.searchParams.keys()].sort(),
  active: told.active,
}))
process.exit(0)
