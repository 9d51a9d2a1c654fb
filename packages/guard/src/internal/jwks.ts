import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TokenKeys from "../TokenKeys.js"

/** The maximum size of a key set, in bytes. */
const maxBytes = 64 * 1024

const Jwks = Schema.Struct({ keys: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown })) })

const Discovery = Schema.Struct({ issuer: Schema.String, jwks_uri: Schema.String })

const failure = (url: string) => (problem: string) =>
  new TokenKeys.KeyInvalid({ reason: `the keys at ${url.replace(/[?#].*$/s, "")} cannot be used: ${problem}` })

/** Reads a JSON document. Errors contain no content of the response, because the response may come from anywhere. */
const readJson = <A, I>(url: string, client: HttpClient.HttpClient, schema: Schema.Schema<A, I>, expected: string) => {
  const failed = failure(url)
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
        Schema.decodeUnknown(Schema.parseJson(schema))(new TextDecoder().decode(bytes)),
        () => failed(`it is not ${expected}`)
      )
    )
  )
}

const bytesOf = (response: HttpClientResponse.HttpClientResponse) =>
  Body.toBytes(
    Body.stream(Stream.mapError(response.stream, (cause) => new RegistryError.BodyFailed({ cause }))),
    { limit: maxBytes, onLimit: () => new RegistryError.SizeInvalid({ limit: maxBytes }) }
  )

/** Reads the keys of a JSON Web Key Set. Fails if none of them verifies. */
export const read = (
  url: string,
  client: HttpClient.HttpClient
): Effect.Effect<ReadonlyArray<TokenKeys.VerificationKey>, TokenKeys.KeyInvalid> => {
  const failed = failure(url)
  return readJson(url, client, Jwks, "a JSON Web Key Set").pipe(
    Effect.flatMap((jwks) => Effect.mapError(TokenKeys.fromJwks(jwks), ({ reason }) => failed(reason))),
    Effect.filterOrFail((keys) => keys.length > 0, () => failed("the set contains no key that verifies"))
  )
}

/**
 * Finds the URL of the key set of an issuer. The document must name the same issuer, and a key set that is as safe to
 * read as the document. https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export const discover = (
  issuer: string,
  client: HttpClient.HttpClient
): Effect.Effect<string, TokenKeys.KeyInvalid> => {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
  const failed = failure(url)
  return Effect.flatMap(
    readJson(url, client, Discovery, "the configuration of an OpenID provider"),
    ({ issuer: found, jwks_uri: keys }) => {
      if (found !== issuer) return Effect.fail(failed("it is the configuration of another issuer"))
      return URL.canParse(keys) && (keys.startsWith("https://") || issuer.startsWith("http://"))
        ? Effect.succeed(keys)
        : Effect.fail(failed("the URL of its key set does not use https"))
    }
  )
}
