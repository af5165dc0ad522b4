// A service that express-oauth2-jwt-bearer protects. Arguments: issuer, audience.
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const [issuer, audience] = process.argv.slice(2)
const app = express()
app.use(auth({ issuer, audience, jwksUri: `${issuer}/.well-known/jwks.json`, tokenSigningAlg: 'ES256' }))
app.get('/', (request, response) => response.json(request.auth.payload))
app.use((error, request, response, next) => response.status(error.status ?? 500).json({}))
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
