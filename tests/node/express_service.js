// A service in Express with express-oauth2-jwt-bearer: prints its address, and serves until
// standard input closes. Arguments: issuer, audience.
import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'

const [issuerBaseURL, audience] = process.argv.slice(2)
const app = express()
app.use(auth({ issuerBaseURL, audience, tokenSigningAlg: 'ES256', strict: true }))
app.get('/', (request, response) => response.json(request.auth.payload))
app.get('/writers', requiredScopes('orders:write'), (request, response) => response.json({}))
app.use((error, request, response, next) => {
  response.status(error.status ?? 500).set(error.headers).json({ problem: error.message })
})
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
process.stdin.on('end', () => process.exit(0)).resume()
