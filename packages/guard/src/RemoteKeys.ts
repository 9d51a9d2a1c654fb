/**
 * The keys of a remote token server, which the token server publishes as a JSON Web Key Set.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as reload from "./internal/reload.js"
import * as TokenKeys from "./TokenKeys.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The URL of a JSON Web Key Set. Any server that can answer at this URL can issue tokens: use https, except on the
   * same machine.
   */
  readonly url: string
  /**
   * How often the key set is read. The token server must publish a new key at least this long before it signs with the
   * key. Default: 5 minutes.
   */
  readonly refreshEvery?: Duration.DurationInput | undefined
}

/** The maximum size of a key set, in bytes. */
const maxBytes = 64 * 1024

const Jwks = Schema.parseJson(
  Schema.Struct({ keys: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown })) })
)

/**
 * Reads the keys that a token server publishes, and reads them again at an interval until the scope closes. Fails if
 * the keys cannot be read at the start. If a later read fails, the known keys remain valid, and an error is logged.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RemoteKeys, TokenVerifier } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const verifier = Effect.gen(function*() {
 *   const keys = yield* RemoteKeys.make({ url: "https://auth.example.com/.well-known/jwks.json" })
 *   return yield* TokenVerifier.make({ issuer: "auth.example.com", audience: "registry.example.com", keys })
 * })
 * ```
 */
export const make = (
  options: Options
): Effect.Effect<TokenKeys.Verifying, TokenKeys.KeyInvalid, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const { refreshEvery = "5 minutes", url } = options
    const read = readFrom(url, yield* HttpClient.HttpClient)
    const load = Effect.map(read, TokenKeys.verifying)
    const current = yield* reload.make(load, refreshEvery)
    return { find: (id) => current().find(id), all: () => current().all() }
  })

/** Errors contain no content of the response, because the response may come from anywhere. */
const readFrom = (url: string, client: HttpClient.HttpClient) => {
  const failed = (problem: string) =>
    new TokenKeys.KeyInvalid({ reason: `the keys at ${url.replace(/[?#].*$/s, "")} cannot be used: ${problem}` })
  return client.get(url, { headers: { accept: "application/json" } }).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(bytesOf),
    Effect.scoped,
    Effect.timeout("10 seconds"),
    Effect.mapError(({ _tag }) =>
      failed(_tag === "OciSizeInvalid" ? `there are more than ${maxBytes} bytes` : "they cannot be read")
    ),
    Effect.flatMap((bytes) =>
      Effect.mapError(
        Schema.decodeUnknown(Jwks)(new TextDecoder().decode(bytes)),
        () => failed("it is not a JSON Web Key Set")
      )
    ),
    Effect.flatMap((jwks) => Effect.mapError(TokenKeys.fromJwks(jwks), ({ reason }) => failed(reason))),
    Effect.filterOrFail((keys) => keys.length > 0, () => failed("the set contains no key that verifies"))
  )
}

const bytesOf = (response: HttpClientResponse.HttpClientResponse) =>
  Body.toBytes(
    Body.stream(Stream.mapError(response.stream, (cause) => new RegistryError.BodyFailed({ cause }))),
    { limit: maxBytes, onLimit: () => new RegistryError.SizeInvalid({ limit: maxBytes }) }
  )
