/**
 * HTTP requests and responses as plain data, limited to what the codec needs.
 *
 * @since 0.1.0
 */
import type * as Body from "@effect-oci/core/Body"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * Headers by lower-case name. The values of a repeated header are joined by commas ([RFC 9110, section
 * 5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
 *
 * @since 0.1.0
 * @category models
 */
export interface Headers {
  readonly [name: string]: string | undefined
}

/**
 * The methods of the distribution API.
 *
 * @since 0.1.0
 * @category models
 */
export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"

/**
 * An HTTP request. `target` is the percent-encoded path and query, as in the request line. For an upload session it is
 * the `Location` that the registry sent, which may be a complete URL. The size of the body is its `Content-Length`, or
 * `undefined` without that header.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: string
  readonly target: string
  readonly headers: Headers
  readonly body: Body.Body | undefined
  /** The address of the sender, as the server sees it. Behind proxies it is the address of the last proxy. */
  readonly remoteAddress?: string | undefined
  /** The certificate that the sender proved to be its own, if an authority that the server trusts has signed it. */
  readonly certificate?: Certificate | undefined
}

/**
 * The certificate of a client: [RFC 5280](https://www.rfc-editor.org/rfc/rfc5280#section-4.1).
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificate {
  /** The common name of the subject. `undefined` if the subject has none, or several. */
  readonly commonName: string | undefined
  /** The alternative names of the subject with their types: `DNS:a.example`, `URI:spiffe://b`, `email:c@d.example`. */
  readonly names: ReadonlyArray<string>
  /** The SHA-256 of the certificate, in hexadecimal with colons. */
  readonly fingerprint: string
}

/**
 * An HTTP response. The server runs `close` when the body has been sent, or when it will not be sent. `close` releases
 * what the body reads from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly status: number
  readonly headers: Headers
  readonly body: Body.Body | undefined
  readonly close?: ((exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>) | undefined
}
