/** Tests that no error shows the secrets that a server repeats. */
import { RegistryError } from "@effect-oci/core"
import * as Redaction from "@effect-oci/transport/Redaction"
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import type { Layer } from "effect"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import { errorOf, fakeNetwork, guarded, realm, registry, tokenServer } from "./fakeServers.js"

const secret = "pa$s/wörd+CANARY"
const header = `Basic ${Buffer.from(`alice:${secret}`).toString("base64")}`

/** The ways in which a server may repeat a secret. */
const spellings = (text: string): ReadonlyArray<readonly [name: string, spelling: string]> => {
  const base64 = Buffer.from(text).toString("base64")
  return [
    ["unchanged", text],
    ["in base64", base64],
    ["in base64 without padding", base64.replace(/=+$/, "")],
    ["in base64url", Buffer.from(text).toString("base64url")],
    ["percent-encoded", encodeURIComponent(text)],
    ["percent-encoded in lower case", encodeURIComponent(text).replace(/%../g, (byte) => byte.toLowerCase())],
    ["percent-encoded as a path", encodeURI(text)],
    ["as a form", new URLSearchParams({ x: text }).toString().slice(2)],
    ["in base64, percent-encoded", encodeURIComponent(base64)]
  ]
}

/** Returns all text of an error, including its cause. */
const textOf = (error: unknown) =>
  [Cause.pretty(Cause.fail(error), { renderErrorCause: true }), JSON.stringify(error), String(error)].join("\n")

const expectHidden = (error: unknown, ...secrets: ReadonlyArray<string>) => {
  const text = textOf(error)
  for (const [, spelling] of secrets.flatMap(spellings)) expect(text).not.toContain(spelling)
  expect(text).toContain("<redacted>")
}

describe("Redaction.make", () => {
  it.each(spellings(secret))("redacts a secret %s", (_, spelling) => {
    expect(Redaction.make([secret])(`before ${spelling} after`)).toBe("before <redacted> after")
  })

  it("leaves other text and too short secrets unchanged", () => {
    expect(Redaction.make(["", "a", "abc"])("an abc of text")).toBe("an abc of text")
    expect(Redaction.make([])("text")).toBe("text")
  })

  it("redacts the secrets in the headers of a request", () => {
    const headers = {
      authorization: header,
      "proxy-authorization": "Bearer PROXY",
      cookie: "session=SESSION; other=OTHER",
      "x-api-key": "KEYS",
      accept: "text/plain"
    }
    const redact = Redaction.make(Redaction.secretsOfHeaders(headers))
    for (const text of [header, header.slice(6), secret, "PROXY", "SESSION", "OTHER", "KEYS"]) {
      expect(redact(`<${text}>`)).toBe("<<redacted>>")
    }
    expect(redact("text/plain alice")).toBe("text/plain alice")
  })

  it("leaves the names of the fields in an error unchanged", () => {
    const error = new RegistryError.Denied({
      reason: `not ${secret}`,
      reference: "v1",
      registry: "team.example",
      status: 403
    })
    const redacted = Redaction.error(error, Redaction.make([secret, "team.example", "OciDenied"]))
    expect(redacted).toMatchObject({
      _tag: "OciDenied",
      reason: "not <redacted>",
      registry: "team.example",
      status: 403
    })
  })

  it("redacts the secrets in the cause of an error", () => {
    const cause = new TypeError(`wrong: ${secret}`, { cause: new Error(secret) })
    const error = new RegistryError.TransportError({ reason: "failed", cause })
    const redacted = Redaction.error(error, Redaction.make([secret]))
    expectHidden(redacted, secret)
    expect(String((redacted.cause as Error).cause)).toBe("Error: <redacted>")
    expect(Redaction.cause(cause, Redaction.make(["other"]))).toBe(cause)
  })
})

const fail = (client: HttpClient.HttpClient, credentials: Layer.Layer<Credentials.Credentials>) =>
  Effect.gen(function*() {
    const http = (yield* Effect.provide(Auth.transport(), credentials))(client)
    return yield* Effect.flip(http.get(`${registry}/v2/team/app/manifests/v1`))
  })

const refusing = (authorization: string | undefined, spelling: string) => ({
  status: authorization === undefined ? 401 : 403,
  body: { errors: [{ code: "DENIED", message: `not ${spelling}`, detail: { sent: [spelling], [spelling]: 1 } }] }
})

describe("an error with a repeated secret", () => {
  const withCredentials = (credential: Credential.Credential) =>
    Credentials.layerStatic({ "registry.example.com": credential })

  it.effect.each([...spellings(secret), ["as the header", header]] as const)(
    "shows no secret that a registry repeated: %s",
    ([, spelling]) =>
      Effect.gen(function*() {
        const { client } = fakeNetwork({
          [registry]: ({ authorization }) => ({
            ...refusing(authorization, spelling),
            status: 401,
            headers: { "www-authenticate": "Basic" }
          })
        })
        const error = yield* fail(client, withCredentials(Credential.basic("alice", secret)))
        expect(errorOf(error)).toMatchObject({
          _tag: "OciUnauthorized",
          diagnostics: [{ message: expect.stringMatching(/^not (Basic )?<redacted>$/) as string }]
        })
        expectHidden(error, secret, header)
      })
  )

  it.effect.each(spellings(secret))(
    "shows no secret that a token server repeated: %s",
    ([, spelling]) =>
      Effect.gen(function*() {
        for (const credential of [Credential.basic("alice", secret), Credential.identityToken(secret)]) {
          for (const body of [{ error: "invalid_grant", error_description: spelling }, { error: spelling }]) {
            const bodies = [body, { errors: [{ code: spelling, message: spelling, detail: spelling }] }]
            for (const answered of bodies) {
              const { client } = fakeNetwork({
                [registry]: guarded(new Map()),
                "https://auth.example.com": () => ({ status: 403, body: answered })
              })
              const error = yield* fail(client, withCredentials(credential))
              expect(errorOf(error)._tag).toBe("OciDenied")
              for (const [, expectHiddenSecrets] of spellings(secret)) {
                expect(textOf(error)).not.toContain(expectHiddenSecrets)
              }
            }
          }
        }
      })
  )

  it.effect("shows neither token nor password that a registry repeated when it refused a token", () =>
    Effect.gen(function*() {
      const server = tokenServer(() => ({ token: "TOKEN-of-CANARY" }))
      const { client } = fakeNetwork({
        [registry]: ({ authorization }) => ({
          ...refusing(authorization, `TOKEN-of-CANARY and ${secret}`),
          status: 401,
          headers: { "www-authenticate": `Bearer realm="${realm}"` }
        }),
        "https://auth.example.com": server.respond
      })
      const error = yield* fail(client, withCredentials(Credential.basic("alice", secret)))
      expectHidden(error, "TOKEN-of-CANARY", secret)
    }))

  it.effect("shows no secret in the name of a token server", () =>
    Effect.gen(function*() {
      const { client } = fakeNetwork({
        [registry]: () => ({
          status: 401,
          headers: { "www-authenticate": `Bearer realm="https://evil.example/${encodeURIComponent(secret)}"` }
        })
      })
      const error = yield* fail(client, withCredentials(Credential.basic("alice", secret)))
      expect(errorOf(error)._tag).toBe("OciRealmRefused")
      expectHidden(error, secret)
    }))

  it.effect("shows no secret of the HTTP client that cannot send it", () =>
    Effect.gen(function*() {
      const { client } = fakeNetwork({
        [registry]: ({ authorization }) =>
          authorization === undefined
            ? { status: 401, headers: { "www-authenticate": "Basic" } }
            : Effect.fail(new Error(`invalid header: ${authorization}`))
      })
      expectHidden(yield* fail(client, withCredentials(Credential.basic("alice", secret))), secret, header)
    }))
})
