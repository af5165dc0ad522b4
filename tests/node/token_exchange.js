// oauth4webapi and openid-client exchange a person's token for one of their own.
// Arguments: issuer, client id, secret, the person's token, what the new token is for.
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'

const [location, client_id, secret, subject_token, resource] = process.argv.slice(2)
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const type = 'urn:ietf:params:oauth:token-type:access_token'
const parameters = { subject_token, subject_token_type: type, resource, scope: 'bills:read' }

const issuer = new URL(location)
const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' })
  .then((response) => oauth.processDiscoveryResponse(issuer, response))
const response = await oauth.genericTokenEndpointRequest(
  as, { client_id }, oauth.ClientSecretBasic(secret), grant, parameters, insecure)
const first = await oauth.processGenericTokenEndpointResponse(as, { client_id }, response)

const authentication = client.ClientSecretBasic(secret)
const options = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(issuer, client_id, undefined, authentication, options)
const second = await client.genericGrantRequest(config, grant, parameters)
const refused = await client.genericGrantRequest(
  config, grant, { ...parameters, resource: 'nowhere' }).catch((error) => error.error)

console.log(JSON.stringify({ first, second, refused, grants: as.grant_types_supported }))
