/** Chains of X.509 certificates. Spec: RFC 5280, and the certificate requirements of Notation. */
import { X509Certificate as Extensions } from "@sigstore/core"
import { X509Certificate } from "node:crypto"

/** A chain that cannot be trusted. */
export class ChainInvalid extends Error {}

const invalid = (reason: string): never => {
  throw new ChainInvalid(reason)
}

const codeSigning = "1.3.6.1.5.5.7.3.3"

/** Returns the name of a certificate in one line. */
const nameOf = ({ subject }: X509Certificate): string => subject.split("\n").join(", ").slice(0, 200)

/** Returns the time after which a certificate is no longer valid. */
const notAfter = ({ validTo }: X509Certificate): number => Date.parse(validTo)

/** Checks that a certificate is valid at a time. */
const checkTime = (certificate: X509Certificate, now: number): void => {
  if (now < Date.parse(certificate.validFrom)) {
    invalid(`the certificate of ${nameOf(certificate)} is not valid before ${certificate.validFrom}`)
  }
  if (now > notAfter(certificate)) {
    invalid(`the certificate of ${nameOf(certificate)} expired at ${certificate.validTo}`)
  }
}

const extensionsOf = (certificate: X509Certificate): Extensions => Extensions.parse(certificate.raw)

/** Checks that a certificate may sign content. */
const checkSigner = (certificate: X509Certificate): void => {
  const name = nameOf(certificate)
  if (certificate.ca) invalid(`the certificate of ${name} is that of a certificate authority`)
  if (extensionsOf(certificate).extKeyUsage?.digitalSignature !== true) {
    invalid(`the certificate of ${name} is not for digital signatures`)
  }
  // Node calls the extended key usage `keyUsage`.
  const usages = certificate.keyUsage as ReadonlyArray<string> | undefined
  if (usages !== undefined && !usages.includes(codeSigning)) {
    invalid(`the certificate of ${name} is not for code signing`)
  }
}

/** Checks that a certificate may issue certificates, with `below` authorities between it and the signer. */
const checkIssuer = (certificate: X509Certificate, below: number): void => {
  const { extBasicConstraints, extKeyUsage } = extensionsOf(certificate)
  if (!certificate.ca || extBasicConstraints?.isCA !== true || extKeyUsage?.keyCertSign !== true) {
    invalid(`the certificate of ${nameOf(certificate)} may not issue certificates`)
  }
  const limit = extBasicConstraints?.pathLenConstraint
  if (limit !== undefined && limit < BigInt(below)) {
    invalid(`the certificate of ${nameOf(certificate)} may not issue certificates of authorities`)
  }
}

/** Reads certificates in PEM, one or more in each text. */
export const read = (texts: ReadonlyArray<string>): ReadonlyArray<X509Certificate> =>
  texts.flatMap((text) => {
    const found = text.match(/-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]*-----END CERTIFICATE-----/g) ?? []
    if (found.length === 0) throw new TypeError("cannot read the certificates: a text contains no certificate in PEM")
    return found.map((pem) => new X509Certificate(pem))
  })

export interface Chain {
  readonly signer: X509Certificate
  /** The time after which a certificate of the chain is no longer valid. */
  readonly validUntil: number
}

const maxCertificates = 10

/**
 * Verifies a chain, the signer first, at a time. Each certificate must be issued by the next one, and one of them must be
 * an anchor. What comes behind the anchor is not read.
 */
export const verify = (
  chain: ReadonlyArray<Uint8Array>,
  anchors: ReadonlyArray<X509Certificate>,
  now: number
): Chain => {
  if (chain.length > maxCertificates) invalid(`the chain has more than ${maxCertificates} certificates`)
  const certificates = chain.map((der) => new X509Certificate(der))
  const end = certificates.findIndex(({ raw }) => anchors.some((anchor) => anchor.raw.equals(raw)))
  const [signer] = certificates
  if (end < 0 || signer === undefined) {
    return invalid(
      signer === undefined
        ? "it has no certificate"
        : `the certificate of ${nameOf(signer)} is not issued by a trusted authority`
    )
  }
  const trusted = certificates.slice(0, end + 1)
  trusted.forEach((certificate, at) => {
    checkTime(certificate, now)
    if (at === 0) checkSigner(certificate)
    else checkIssuer(certificate, at - 1)
    const issuer = trusted[at + 1]
    if (issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))) {
      invalid(`the certificate of ${nameOf(certificate)} is not issued by ${nameOf(issuer)}`)
    }
  })
  return { signer, validUntil: Math.min(...trusted.map(notAfter)) }
}
