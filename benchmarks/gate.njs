// What njs checks of an access token for benchmarks/gate.py, which fills in the words between @s.
const KEY = Buffer.from('@KEY@', 'base64')
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function check(r) {
  let good = false
  try {
    good = await isGood(r.headersIn.Authorization || '')
  } catch (error) {
    r.error(String(error))
  }
  r.return(good ? 204 : 401)
}

async function isGood(header) {
  const parts = header.split('.')
  if (!header.startsWith('Bearer ') || parts.length !== 3) return false
  const head = JSON.parse(Buffer.from(parts[0].slice(7), 'base64url').toString())
  if (head.alg !== 'ES256' || head.typ !== 'at+jwt') return false
  // Nothing of one request is kept for the next, so the key is read each time.
  const key = await crypto.subtle.importKey('spki', KEY, ALGORITHM, false, ['verify'])
  const signature = Buffer.from(parts[2], 'base64url')
  const signed = `${parts[0].slice(7)}.${parts[1]}`
  if (!(await crypto.subtle.verify(ALGORITHM, key, signature, signed))) return false
  const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString())
  return claims.iss === '@ISSUER@' && claims.aud === 'orders' && Date.now() < claims.exp * 1000
}

export default { check }
