// The MCP client of @modelcontextprotocol/sdk calls a tool; the test is the browser, over standard
// input and output. Arguments: the MCP server's address, the tool, its arguments in JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createInterface } from 'node:readline/promises'

const [address, name, given] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const kept = {}
let cameTo
const authProvider = {
  redirectUrl: 'http://localhost:9999/callback',
  clientMetadata: {
    client_name: 'The TypeScript client',
    redirect_uris: ['http://localhost:9999/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier },
  redirectToAuthorization: async (url) => {
    console.log(url.href)
    cameTo = new URL((await lines.next()).value)
  },
}

const connect = async () => {
  const client = new Client({ name: 'ts', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(address), { authProvider })
  try {
    await client.connect(transport)
    return client
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    await transport.finishAuth(cameTo.searchParams.get('code'))
    return null
  }
}

const client = (await connect()) ?? (await connect())
const answer = await client.callTool({ name, arguments: JSON.parse(given) })
console.log(JSON.stringify({ text: answer.content[0].text, refreshes: !!kept.tokens.refresh_token }))
await client.close()
process.exit(0)
