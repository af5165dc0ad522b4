// oauth4webapi lets a device in that shows a code; the test is the person, over standard input and
// output. Arguments: issuer, client id, "dpop" or "".
import * as oauth from 'oauth4webapi'
import { createInterface } from 'node:readline/promises'

const [location, client_id, bound] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const issuer = new URL(location)
const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' })
  .then((response) => oauth.processDiscoveryResponse(issuer, response))
const client = { client_id }
const DPoP = bound ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined

const device = await oauth.deviceAuthorizationRequest(
  as, client, oauth.None(), { scope: 'openid profile' }, insecure)
  .then((response) => oauth.processDeviceAuthorizationResponse(as, client, response))

const ask = () => oauth.deviceCodeGrantRequest(
  as, client, oauth.None(), device.device_code, { ...insecure, DPoP })
  .then((response) => oauth.processDeviceCodeResponse(as, client, response))
const once = async () => {
  try {
    return await ask()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return ask()
  }
}
const told = () => once().then(() => 'tokens', (error) => error.error)

const before = [await told(), await told()]
console.log(JSON.stringify({ ...device, device_code: undefined }))
const decision = (await lines.next()).value
if (decision === 'deny') {
  console.log(JSON.stringify({ before, after: await told() }))
  process.exit(0)
}
const tokens = await once()
const claims = oauth.getValidatedIdTokenClaims(tokens)
const person = await oauth.userInfoRequest(
  as, client, tokens.access_token, { ...insecure, DPoP })
  .then((response) => oauth.processUserInfoResponse(as, client, claims.sub, response))
console.log(JSON.stringify({
  before,
  type: tokens.token_type,
  username: person.preferred_username,
  after: await told(),
}))
process.exit(0)
