/** Keys and signatures by WebCrypto. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

/** A key could not be read. */
export class KeyInvalid extends Error {}

type Hash = "SHA-256" | "SHA-384" | "SHA-512"

/** The algorithm of a key: how WebCrypto imports it, and the hashes that its signatures may use, the usual one first. */
interface Algorithm {
  readonly parameters: RsaHashedImportParams | EcKeyImportParams | { readonly name: string }
  readonly hashes: ReadonlyArray<Hash>
}

/** The algorithms by the DER of their identifier: RFC 5480 (elliptic curves), RFC 8017 (RSA), RFC 8410 (Ed25519). */
const algorithms: ReadonlyArray<readonly [identifier: string, algorithm: Algorithm]> = [
  ["301306072a8648ce3d020106082a8648ce3d030107", curve("P-256", "SHA-256")],
  // cosign signs with SHA-256 by default, whatever the curve.
  ["301006072a8648ce3d020106052b81040022", curve("P-384", "SHA-384", "SHA-256")],
  ["301006072a8648ce3d020106052b81040023", curve("P-521", "SHA-512", "SHA-256")],
  ["300d06092a864886f70d0101010500", {
    parameters: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    hashes: ["SHA-256"]
  }],
  ["300506032b6570", { parameters: { name: "Ed25519" }, hashes: ["SHA-512"] }]
]

function curve(namedCurve: string, ...hashes: ReadonlyArray<Hash>): Algorithm {
  return { parameters: { name: "ECDSA", namedCurve }, hashes }
}

/** The identifier is among the first bytes of a key: behind the header of the sequence, and the version of a private key. */
const header = 12

const algorithmOf = (der: Uint8Array): Algorithm => {
  const start = Encoding.encodeHex(der.subarray(0, header + 24))
  const found = algorithms.find(([identifier]) => start.slice(0, header * 2 + identifier.length).includes(identifier))
  if (found === undefined) throw new KeyInvalid("its algorithm is not ECDSA, RSA or Ed25519")
  return found[1]
}

/** Returns the bytes of a text in PEM with this label. */
export const fromPem = (label: string, pem: string): Uint8Array => {
  const match = new RegExp(`-----BEGIN ${label}-----([\\sA-Za-z0-9+/=]*)-----END ${label}-----`).exec(pem)
  if (match === null) throw new KeyInvalid(`it is not PEM with the label "${label}"`)
  return Either.getOrThrowWith(
    Encoding.decodeBase64(match[1]!.replace(/\s/g, "")),
    () => new KeyInvalid("its base64 is malformed")
  )
}

/** Returns a key or a certificate as a text in PEM. */
export const toPem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Encoding.encodeBase64(der).replace(/(.{64})(?!$)/g, "$1\n")}\n-----END ${label}-----\n`

/** Imports the DER of a public or private key once for each hash that its signatures may use. */
export const importKey = async (
  format: "spki" | "pkcs8",
  der: Uint8Array
): Promise<ReadonlyArray<readonly [key: CryptoKey, hash: Hash]>> => {
  const { hashes, parameters } = algorithmOf(der)
  const usage = format === "spki" ? "verify" : "sign"
  const key = await crypto.subtle.importKey(format, der as BufferSource, parameters, true, [usage])
  return hashes.map((hash) => [key, hash])
}

/** Returns the hashes that a signature of a key may use. */
export const hashesOf = (key: CryptoKey): ReadonlyArray<Hash> => {
  const { namedCurve } = key.algorithm as EcKeyAlgorithm
  return algorithms.find(([, { parameters }]) =>
    parameters.name === key.algorithm.name && (!("namedCurve" in parameters) || parameters.namedCurve === namedCurve)
  )?.[1].hashes ?? ["SHA-256"]
}

/** The number of bytes of each half of an ECDSA signature. */
const halfOf = (key: CryptoKey): number | undefined => {
  const sizes: { readonly [namedCurve: string]: number } = { "P-256": 32, "P-384": 48, "P-521": 66 }
  return key.algorithm.name === "ECDSA" ? sizes[(key.algorithm as EcKeyAlgorithm).namedCurve] : undefined
}

/** Reads one integer of a DER sequence into `size` bytes. */
const integer = (der: Uint8Array, at: number, size: number): readonly [bytes: Uint8Array, next: number] | undefined => {
  const length = der[at + 1]
  if (der[at] !== 0x02 || length === undefined || length === 0 || length > 0x7f) return undefined
  const start = at + 2
  const end = start + length
  const from = der[start] === 0 ? start + 1 : start
  if (end > der.byteLength || end - from > size) return undefined
  const bytes = new Uint8Array(size)
  bytes.set(der.subarray(from, end), size - (end - from))
  return [bytes, end]
}

/** Converts an ECDSA signature from DER (RFC 3279, section 2.2.3) to the two halves that WebCrypto reads. */
export const halves = (der: Uint8Array, size: number): Uint8Array | undefined => {
  const isLong = der[1] === 0x81
  const start = isLong ? 3 : 2
  const length = isLong ? der[2] : der[1]
  if (der[0] !== 0x30 || length === undefined || length + start !== der.byteLength) return undefined
  const first = integer(der, start, size)
  const second = first === undefined ? undefined : integer(der, first[1], size)
  if (first === undefined || second === undefined || second[1] !== der.byteLength) return undefined
  return concat(first[0], second[0])
}

/** Converts the two halves of an ECDSA signature to DER. */
export const toDer = (raw: Uint8Array): Uint8Array => {
  const encoded = (half: Uint8Array) => {
    const from = Math.max(0, Math.min(half.findIndex((byte) => byte !== 0), half.byteLength - 1))
    const bytes = half.subarray(from)
    const padded = bytes[0]! >= 0x80 ? concat(Uint8Array.of(0), bytes) : bytes
    return concat(Uint8Array.of(0x02, padded.byteLength), padded)
  }
  const size = raw.byteLength / 2
  const content = concat(encoded(raw.subarray(0, size)), encoded(raw.subarray(size)))
  const length = content.byteLength > 0x7f ? [0x81, content.byteLength] : [content.byteLength]
  return concat(Uint8Array.of(0x30, ...length), content)
}

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.byteLength
  }
  return all
}

const parametersOf = (key: CryptoKey, hash: Hash): AlgorithmIdentifier | EcdsaParams =>
  key.algorithm.name === "ECDSA" ? { name: "ECDSA", hash } : key.algorithm.name

/** Returns whether a signature of a message is by a key. An ECDSA signature is DER. */
export const verify = async (
  key: CryptoKey,
  hash: Hash,
  signature: Uint8Array,
  message: Uint8Array
): Promise<boolean> => {
  const size = halfOf(key)
  const raw = size === undefined ? signature : halves(signature, size)
  return raw !== undefined &&
    crypto.subtle.verify(parametersOf(key, hash), key, raw as BufferSource, message as BufferSource)
}

/** Signs a message by a key. An ECDSA signature is DER, or its two halves with `raw`. */
export const sign = async (
  key: CryptoKey,
  message: Uint8Array,
  options?: { readonly raw: true }
): Promise<Uint8Array> => {
  const [hash] = hashesOf(key)
  const signature = new Uint8Array(
    await crypto.subtle.sign(parametersOf(key, hash!), key, message as BufferSource)
  )
  return halfOf(key) === undefined || options?.raw === true ? signature : toDer(signature)
}
