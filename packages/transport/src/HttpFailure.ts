/**
 * Failures of HTTP requests: their description, whether a retry can help, and the `RegistryError` for them.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { ProxyAnswer, ProxyError } from "./internal/proxyError.js"
import * as Redaction from "./Redaction.js"

/** Descriptions of the error codes of Node, undici and OpenSSL. */
const phrases: { readonly [code: string]: string } = {
  __proto__: null as never,
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ECONNABORTED: "connection aborted",
  EPIPE: "connection closed",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name of the host could not be resolved",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  EADDRNOTAVAIL: "no such address",
  ETIMEDOUT: "connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "connection timed out",
  UND_ERR_SOCKET: "connection closed",
  UND_ERR_HEADERS_OVERFLOW: "the headers of the answer are too large",
  HPE_HEADER_OVERFLOW: "the headers of the answer are too large",
  EPROTO: "the host does not speak TLS",
  ERR_SSL_WRONG_VERSION_NUMBER: "the host does not speak TLS",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by an authority that is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by an authority that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is signed by an authority that is not trusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host"
}

/** Returns an error and its causes, the outermost first. At most eight, because the chain may contain a loop. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const found: Array<unknown> = []
  for (let next = error; next !== undefined && next !== null && found.length < 8;) {
    found.push(next)
    next = Predicate.hasProperty(next, "cause") ? next.cause : undefined
  }
  return found
}

const codeOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string"
    ? error.code
    // Some of undici's errors have no code.
    : error instanceof Error && error.name === "HTTPParserError"
    ? "HPE_UNKNOWN"
    : undefined

/**
 * Describes an error in a few words. The text contains nothing of the request.
 *
 * @since 0.1.0
 * @category destructors
 */
export const phrase = (error: unknown): string => {
  const errors = chain(error)
  const timeout = errors.find(Cause.isTimeoutException)
  if (timeout !== undefined) return timeout.message
  const answer = errors.find((error) => error instanceof ProxyAnswer)
  if (answer !== undefined) return answer.message
  const codes = errors.flatMap((error) => codeOf(error) ?? [])
  const known = codes.find((code) => phrases[code] !== undefined)
  if (known !== undefined) return phrases[known]!
  return codes.some((code) => code.startsWith("HPE_")) ? "the answer is not HTTP" : codes[0] ?? "the request failed"
}

/** The error codes of requests for which no connection was made, so that nothing was sent. */
const unconnected = new Set([
  "ECONNREFUSED",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_PROXY_TUNNEL"
])

/**
 * The error codes that will not change if the request is sent again: a name that does not exist, a wrong certificate,
 * an answer that is not HTTP.
 */
const lasting =
  /^(ENOTFOUND|EPROTO|UND_ERR_HEADERS_OVERFLOW|UND_ERR_INVALID_ARG|(HPE|CERT|ERR_TLS|ERR_SSL|ERR_INVALID)_.*|.*_CERT(_.*)?|.*_SIGNATURE)$/

/**
 * Classifies the error of a request. `lasting`: it will not change. `unconnected`: no connection was made. `broken`:
 * the request may have been processed.
 *
 * @since 0.1.0
 * @category getters
 */
export const faultOf = (error: HttpClientError): "lasting" | "unconnected" | "broken" => {
  if (error._tag !== "RequestError" || error.reason !== "Transport") return "lasting"
  const causes = chain(error)
  const codes = causes.flatMap((cause) => codeOf(cause) ?? [])
  const isDecided = causes.some((cause) => RegistryError.isRegistryError(cause) || Cause.isTimeoutException(cause))
  if (isDecided || codes.some((code) => lasting.test(code))) return "lasting"
  return codes.some((code) => unconnected.has(code)) ? "unconnected" : "broken"
}

/** Returns the host that could not be reached, and the proxy that the request was sent through. */
const unreached = (error: unknown, host: string): string => {
  const proxied = chain(error).find((cause) => cause instanceof ProxyError)
  if (proxied === undefined) return host
  return proxied.isConnected ? `${host} through the proxy ${proxied.proxy}` : `the proxy ${proxied.proxy} for ${host}`
}

/**
 * Describes the error of a request without an answer in a few words.
 *
 * @since 0.1.0
 * @category destructors
 */
export const describe = (error: HttpClientError): string =>
  chain(error).find(RegistryError.isRegistryError)?.message ?? phrase(error)

/** The properties in which undici and Node keep an answer that they could not parse. It may repeat what was sent. */
const receivedProperties = ["data", "rawPacket"]

const withoutReceived = (error: Error): Error => {
  if (!receivedProperties.some((name) => name in error)) return error
  const { message, name, stack } = error
  return Object.assign(new Error(message), { name, stack, code: codeOf(error) })
}

/** Returns the innermost cause. The outer errors contain the whole request, with its headers and query. */
const innermost = (error: unknown): unknown => {
  const cause = chain(error).findLast((cause) => cause instanceof Error)
  return cause === undefined ? undefined : withoutReceived(cause)
}

/**
 * Adds the fields to an error that has no operation yet.
 *
 * @since 0.1.0
 * @category combinators
 */
export const complete = (
  error: RegistryError.RegistryError,
  fields: RegistryError.ErrorFields
): RegistryError.RegistryError => error.operation === undefined ? RegistryError.withFields(error, fields) : error

/**
 * Returns the registry error for a request that failed: the error that a transport attached, or else a
 * `TransportError`. If a redirect led to another URL, the error contains only the origin of that URL.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromHttpClient = (
  error: HttpClientError,
  fields: RegistryError.ErrorFields,
  target: { readonly url: string; readonly shown: string }
): RegistryError.RegistryError => {
  const attached = chain(error).find(RegistryError.isRegistryError)
  if (attached !== undefined) return complete(attached, fields)
  const { method, url } = error.request
  const { host, origin } = new URL(URL.canParse(url) ? url : target.url)
  return new RegistryError.TransportError({
    ...fields,
    reason: `cannot reach ${unreached(error, host)}: ${phrase(error)}`,
    method,
    url: url === target.url ? target.shown : origin,
    cause: Redaction.cause(
      innermost(error.cause),
      Redaction.make(Redaction.secretsOfHeaders(error.request.headers))
    )
  })
}
