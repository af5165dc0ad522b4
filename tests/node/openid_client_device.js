// openid-client lets a device in that shows a code, and waits as it is told to; the test is the
// person, over standard input and output. Arguments: issuer, client id, client secret.
import * as client from 'openid-client'

const [location, client_id, secret] = process.argv.slice(2)
const config = await client.discovery(
  new URL(location), client_id, undefined, client.ClientSecretBasic(secret),
  { execute: [client.allowInsecureRequests] })
const device = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
console.log(JSON.stringify({ ...device, device_code: undefined }))
const tokens = await client.pollDeviceAuthorizationGrant(config, device)
const again = await client.refreshTokenGrant(config, tokens.refresh_token)
console.log(JSON.stringify({
  type: tokens.token_type,
  subject: tokens.claims().sub,
  refreshed: again.claims().sub,
}))
process.exit(0)
