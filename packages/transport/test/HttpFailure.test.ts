import { RegistryError } from "@effect-oci/core"
import { repository } from "@effect-oci/testing/Samples"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Cause } from "effect"
import { inspect } from "node:util"
import { fromHttpClient } from "../src/HttpFailure.js"

const url = "https://registry.example:5000/v2/team/app/tags/list?token=CANARY"
const requestUrl = { url, shown: "https://registry.example:5000/v2/team/app/tags/list" }
const fields: RegistryError.ErrorFields = { operation: "ListTags", repository, registry: "registry.example:5000" }

const request = HttpClientRequest.get(url, { headers: { authorization: "Bearer CANARY" } })

const failed = (cause: unknown, from = request) =>
  fromHttpClient(new HttpClientError.RequestError({ request: from, reason: "Transport", cause }), fields, requestUrl)

const coded = (code: string, cause?: unknown) => Object.assign(new Error("CANARY", { cause }), { code })

describe("the error of a request that failed", () => {
  const cases: ReadonlyArray<readonly [name: string, cause: unknown, what: string]> = [
    ["at a closed port", coded("ECONNREFUSED"), "connection refused"],
    ["at a name that does not exist", coded("ENOTFOUND"), "no such host"],
    ["without a name server", coded("EAI_AGAIN"), "the name of the host could not be resolved"],
    ["at a socket of undici", coded("UND_ERR_SOCKET"), "connection closed"],
    ["at a socket, within fetch", new TypeError("fetch failed", { cause: coded("ECONNRESET") }), "connection reset"],
    [
      "at all of several addresses",
      Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }),
      "connection refused"
    ],
    ["at a certificate", coded("CERT_HAS_EXPIRED"), "its certificate has expired"],
    ["at bad HTTP", Object.assign(coded("HPE_INVALID_CONSTANT"), { rawPacket: "Bearer" }), "the answer is not HTTP"],
    [
      "at bad HTTP, in undici",
      Object.assign(new Error("CANARY"), { name: "HTTPParserError", code: undefined, data: "Bearer" }),
      "the answer is not HTTP"
    ],
    ["because of a timeout", new Cause.TimeoutException("no answer for 1m"), "no answer for 1m"],
    ["for an unknown code", coded("EWHATEVER"), "EWHATEVER"],
    ["without an error", "CANARY", "the request failed"],
    [
      "with a loop of causes",
      (() => {
        const error = new Error("CANARY")
        return Object.assign(error, { cause: error })
      })(),
      "the request failed"
    ]
  ]
  it.each(cases)("%s", (_, cause, what) => {
    const error = failed(cause)
    expect(error).toMatchObject({ _tag: "OciTransportError", ...fields, method: "GET", url: requestUrl.shown })
    expect(error.message).toBe(`ListTags team/app: cannot reach registry.example:5000: ${what}`)
    const { cause: _cause, ...visible } = error
    expect(JSON.stringify(visible)).not.toContain("CANARY")
    expect(inspect(error.cause)).not.toContain("Bearer")
    expect(error.cause).toEqual(cause instanceof Error ? expect.any(Error) : undefined)
  })

  it("at another origin contains only that origin", () => {
    const error = failed(coded("ECONNREFUSED"), HttpClientRequest.get("https://bucket.example/key?signature=CANARY"))
    expect(error).toMatchObject({ url: "https://bucket.example" })
    expect(error.message).toBe("ListTags team/app: cannot reach bucket.example: connection refused")
  })

  it("is the error of a transport, with the fields of the operation", () => {
    const registryError = new RegistryError.CredentialError({ reason: "no helper" })
    const error = failed(registryError)
    expect(error).toMatchObject({ _tag: "OciCredentialError", ...fields })
    expect(error.message).toBe("ListTags team/app: no helper")
  })

  it("is the unchanged error of a transport if it has an operation", () => {
    const registryError = new RegistryError.Unauthorized({ operation: "GetBlob", registry: "elsewhere.example" })
    expect(failed(new Error("wrapped", { cause: registryError }))).toBe(registryError)
  })
})
