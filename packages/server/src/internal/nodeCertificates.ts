import type * as Wire from "@effect-oci/protocol/Wire"
import type { Socket } from "node:net"
import type { PeerCertificate, TLSSocket } from "node:tls"

/** The certificates of open connections, which do not change. */
const known = new WeakMap<Socket, Wire.Certificate | undefined>()

/**
 * Returns the certificate that a client proved, if an authority of the server signed it. A resumed session without a
 * certificate is also `authorized` for Node.
 */
export const certificateOf = (socket: Socket): Wire.Certificate | undefined => {
  if (!("authorized" in socket)) return undefined
  if (!known.has(socket)) known.set(socket, read(socket as TLSSocket))
  return known.get(socket)
}

const read = (socket: TLSSocket): Wire.Certificate | undefined => {
  if (!socket.authorized) return undefined
  const { fingerprint256, subject, subjectaltname = "" }: Partial<PeerCertificate> = socket.getPeerCertificate()
  return fingerprint256 === undefined || subject === undefined
    ? undefined
    : { commonName: one(subject.CN), names: namesOf(subjectaltname), fingerprint: fingerprint256 }
}

/** A subject may have several common names, although Node's types do not say so. Then none of them counts. */
const one = (value: unknown) => typeof value === "string" ? value : undefined

/** Splits `DNS:a.example, URI:spiffe://b`. Node quotes names that contain a comma or a quote. */
const namesOf = (text: string): ReadonlyArray<string> =>
  Array.from(
    text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/g),
    ([, type = "", name = ""]) => `${type}:${name.startsWith("\"") ? JSON.parse(name) as string : name}`
  )
