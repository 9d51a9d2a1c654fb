/**
 * An issuer of ID tokens on a port, for tests: it publishes its configuration and its keys, and signs tokens.
 *
 * @since 0.1.0
 */
import * as TokenKeys from "@effect-oci/guard/TokenKeys"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as jose from "jose"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/**
 * A running issuer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Issuer {
  readonly url: string
  /** The number of times that the key set was requested. */
  readonly keyRequests: () => number
  /**
   * Signs a token with the current key. Default claims: the issuer, a subject, the audience `registry.example`, and the
   * times of a token that was just issued for 10 minutes. A claim that is `undefined` is left out.
   */
  readonly sign: (claims?: { readonly [claim: string]: unknown }) => Effect.Effect<string>
  /** Replaces the key, and publishes only the new one. */
  readonly rotate: Effect.Effect<void>
  /** While it is stopped, the issuer answers every request with 503. */
  readonly setStopped: (isStopped: boolean) => Effect.Effect<void>
  readonly key: () => TokenKeys.SigningKey
}

/**
 * Starts an issuer. The scope stops it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  algorithm: TokenKeys.Algorithm = "ES256"
): Effect.Effect<Issuer, never, Scope.Scope> =>
  Effect.gen(function*() {
    let key = yield* TokenKeys.generate(algorithm)
    let jwks = yield* TokenKeys.toJwks([key])
    let requests = 0
    let stopped = false
    const server = createServer((request, response) => {
      if (request.url === "/keys") requests += 1
      const documents: { readonly [path: string]: unknown } = {
        "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/keys` },
        "/keys": jwks
      }
      const document = stopped ? undefined : documents[request.url ?? ""]
      response.writeHead(document === undefined ? 503 : 200, { connection: "close" })
      response.end(JSON.stringify(document))
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return {
      url,
      keyRequests: () => requests,
      key: () => key,
      sign: (claims) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.promise(() => {
            const iat = Math.floor(now / 1000)
            const times = { iat, nbf: iat, exp: iat + 600 }
            return new jose.SignJWT({ iss: url, sub: "workload", aud: "registry.example", ...times, ...claims })
              .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: "JWT" })
              .sign(key.privateKey)
          })),
      rotate: Effect.gen(function*() {
        key = yield* TokenKeys.generate(algorithm)
        jwks = yield* TokenKeys.toJwks([key])
      }),
      setStopped: (isStopped) =>
        Effect.sync(() => {
          stopped = isStopped
        })
    }
  })
